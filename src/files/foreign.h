/* Files that hold data in no format of ours, told by their first bytes or their names. */
#ifndef BERT_FILES_FOREIGN_H
#define BERT_FILES_FOREIGN_H
#include <stddef.h>

/* What such a file is and how it becomes one that is read, to be said behind its name; NULL: it is
 * none that is known. */
const char *bert_foreign_data(const char *data, size_t size);
const char *bert_foreign_name(const char *path);
#endif
