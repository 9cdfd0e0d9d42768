#include "text/train_files.h"
#include "base/error.h"
#include "base/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What would be read with, or before, the new one. */
static const char *const files[] = {"tokenizer.json",
                                    "vocab.txt",
                                    "vocab.json",
                                    "merges.txt",
                                    "sentencepiece.bpe.model",
                                    "spiece.model",
                                    "spm.model",
                                    "added_tokens.json",
                                    "tokenizer_config.json",
                                    "special_tokens_map.json"};

int bert_tokenizer_directory(const char *directory, bert_error *e) {
    int rc = bert_make_directory(directory, e);
    for (size_t i = 0; i < sizeof files / sizeof *files && !rc; i++) {
        char *path = bert_path_join(directory, files[i]);
        if (!path)
            rc = bert_fail_memory(e, strlen(directory));
        else if (unlink(path) && errno != ENOENT)
            rc = bert_fail(e, BERT_EIO, "%s: cannot be removed: %s", path, strerror(errno));
        free(path);
    }
    return rc;
}
