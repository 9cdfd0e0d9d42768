/* What the environment says of the hub and its cache: huggingface_hub's names, order and defaults. */
#ifndef BERT_HUB_ENVIRONMENT_H
#define BERT_HUB_ENVIRONMENT_H
#include <bert_hub.h>

enum { BERT_PATH = 4096 };
typedef struct {
    char path[BERT_PATH]; /* "": nothing says where */
} bert_place;

/* HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub,
 * ~/.cache/huggingface/hub; "~" and "$NAME" in them are expanded. */
bert_place bert_hub_cache(void);
/* BERT_HOME/models, XDG_CACHE_HOME/bert/models, ~/.cache/bert/models. */
bert_place bert_own_store(void);
/* 1, on, yes or true, in any case. */
bool bert_hub_switch(const char *variable);
/* HF_HUB_OFFLINE, or TRANSFORMERS_OFFLINE where that is not set. */
bool bert_hub_offline(void);
/* HF_ENDPOINT without the / at its end; one that is no http(s) address is an error. */
int bert_hub_endpoint(const char *given, char *out, size_t capacity, bert_error *e);
/* Where and as whom a module asks (both are kept, not copied), with the environment's times. */
bert_hub_site bert_hub_site_at(const char *endpoint, const char *token);
/* The token: `given`, else what the file holds, else HF_TOKEN, HUGGING_FACE_HUB_TOKEN and the file
 * HF_TOKEN_PATH (HF_HOME/token). malloc'ed; NULL: none. given "": none is wanted. */
int bert_hub_token(const char *given, const char *file, char **token, bert_error *e);
#endif
