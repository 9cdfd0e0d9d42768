/* Pictures in the place of texts, for models that read them. */
#ifndef BERT_CLI_PICTURES_H
#define BERT_CLI_PICTURES_H
#include "cli.h"

bool takes_pictures(const bert_model *m);
bert_picture_options picture_options(const common *c);
/* Options of texts where the model reads pictures, or the other way round, are wrong usage. */
int check_kind(const common *c, const bert_model *m, bert_error *e);
/* Calls each() for all pictures, some at a time: of the operands, of -i FILE or folder, of paths on
 * standard input. Those that cannot be read have a code in info, and say why; with --skip-unreadable
 * they are counted, else they are what it fails with when all others are answered. Says where 16-bit
 * grey has its range from. */
int pictures_each(const common *c, int paths, char **path,
                  int (*each)(void *context, const bert_picture *pictures, int32_t n,
                              const bert_picture_options *options, bert_picture_info *info,
                              bert_error *e),
                  void *context, bert_error *e);
/* The same of rows of `row` pictures each, n of which are a multiple of it: those of the recipe's
 * columns (or NULL), of operands one behind the other. The first of a row has its code. */
int pictures_rows(const common *c, const bert_recipe *r, int row, int paths, char **path,
                  int (*each)(void *context, const bert_picture *pictures, int32_t n,
                              const bert_picture_options *options, bert_picture_info *info,
                              bert_error *e),
                  void *context, bert_error *e);
/* What pictures_each() ends with, of pictures that somebody else read. */
int pictures_unreadable(const common *c, const bert_picture_info *info, int n, bert_error *e);
/* The row of a picture that could not be read, in the place of its answer; in columns there is none. */
int unreadable_row(const common *c, const bert_picture *p, const bert_picture_info *info,
                   bert_error *e);
/* Of the first picture whose own values are its range. True: it was said. */
bool say_range(const common *c, const bert_picture *pictures, const bert_picture_info *info, int n);
#endif
