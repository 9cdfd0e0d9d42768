/* Names of the hub: "name" or "org/name", with "@revision" behind it, or the page of one. */
#ifndef BERT_HUB_NAMES_H
#define BERT_HUB_NAMES_H
#include <bert.h>

enum { BERT_HUB_ID = 200, BERT_HUB_COMMIT = 41 };

typedef struct {
    char id[BERT_HUB_ID];
    char revision[BERT_HUB_ID]; /* "main" where none was given */
    bool revision_given;
} bert_hub_name;

/* Letters, digits, - _ and .; at most 96 a part; neither - nor . at an end; no "--", "..", ".git". */
bool bert_hub_is_id(const char *id);
/* A branch, tag, refs/pr/4 or commit: what git takes, and a path that leads nowhere else. */
bool bert_hub_is_revision(const char *revision);
bool bert_hub_is_commit(const char *s);       /* 40 hexadecimal digits */
bool bert_hub_is_short_commit(const char *s); /* 7 to 39 of them, as they are shown */
/* Ends, before an "@", as files of weights do ("x.gguf"): where it is not there, a file is meant, and
 * no repository is asked for. */
bool bert_hub_is_file(const char *name);
/* An address of the hub's page of it is a name too. False: it can be no model of the hub's. */
bool bert_hub_parse(const char *name, bert_hub_name *out);
/* The same with a reason; revision: one that was given beside the name, or NULL. */
int bert_hub_name_of(const char *name, const char *revision, bert_hub_name *out, bert_error *e);

/* "models--org--name". */
void bert_hub_folder(const char *id, char *out, size_t capacity);
/* The id of such a folder; false: it is none. */
bool bert_hub_unfold(const char *folder, char *id, size_t capacity);

/* A file's path in a repository that may become one of ours: relative, no "..", "." or empty part,
 * no backslash, drive letter or control character. */
bool bert_hub_is_path(const char *path);

/* An ETag that may become a file's name. */
bool bert_hub_is_etag(const char *s);

/* How many letters differ, were added or left out, at most `most` + 1. */
int bert_hub_distance(const char *a, const char *b, int most);
#endif
