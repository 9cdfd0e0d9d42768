/* Keys of config.json that the caller gives. */
#ifndef BERT_MODELS_OVERRIDES_H
#define BERT_MODELS_OVERRIDES_H
#include <bert.h>
#include <jansson.h>

/* Those of options.config, and under them those of its recipe, that count instead of what config
 * says; NULL: an error. One that config does not have, but for a letter or two, is one. */
json_t *bert_overrides(const bert_model_options *o, const json_t *config, bert_error *e);
#endif
