/* Recipes and the options that overrule them. */
#ifndef BERT_CLI_RECIPE_H
#define BERT_CLI_RECIPE_H
#include "cli.h"

/* The recipe in a file, with columns, label, problem type and range of the options in the place of its
 * own, so that what is saved says what was trained. */
bert_recipe *open_recipe_with(const char *path, const common *c, const bert_dataset_options *data,
                              bert_error *e);
#endif
