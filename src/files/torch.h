/* pytorch_model.bin: what torch.save writes, today's zip archives and the pickles of before 1.6. */
#ifndef BERT_FILES_TORCH_H
#define BERT_FILES_TORCH_H
#include "files/tensors.h"

extern const bert_tensor_format bert_torch_format;
#endif
