/* Pictures in the place of texts, for models that read them. */
#ifndef BERT_CLI_PICTURES_H
#define BERT_CLI_PICTURES_H
#include "cli.h"

bool takes_pictures(const bert_model *m);
bert_picture_options picture_options(const common *c);
/* Calls each() for all pictures, some at a time: of the operands, of -i FILE or folder, of paths on
 * standard input. Says where 16-bit grey has its range from. */
int pictures_each(const common *c, int paths, char **path,
                  int (*each)(void *context, const bert_picture *pictures, int32_t n,
                              const bert_picture_options *options, bert_picture_info *info,
                              bert_error *e),
                  void *context, bert_error *e);
/* Of the first picture whose own values are its range. True: it was said. */
bool say_range(const common *c, const bert_picture *pictures, const bert_picture_info *info, int n);
#endif
