/* Activation functions by the names of their classes in torch.nn, as sentence-transformers' files
 * call them. */
#ifndef BERT_MODELS_TORCH_ACT_H
#define BERT_MODELS_TORCH_ACT_H

typedef double bert_torch_act(double x);
/* "torch.nn.modules.activation.Tanh": a function of one number, with the class's defaults. NULL: it
 * is not in the table, or not torch's. */
bert_torch_act *bert_torch_act_find(const char *path);
#endif
