/* A file of rows that the processes of a group open together: of each host one reads it, and lays the
 * finished set down in a file without a name, which the others open by its process and number, and map.
 * So nothing is left behind, whoever dies; who cannot open it (in a container of its own) reads, too.
 *
 *     begin; who reads: reads, and lays down; hear; the others: take up; end
 *
 * begin, hear and end are collectives, each called whatever the one before it returned; where nothing
 * is shared they do nothing. */
#ifndef BERT_DATA_SHARED_SET_H
#define BERT_DATA_SHARED_SET_H
#include "data/dataset.h"
#include <bert_group.h>

typedef struct {
    const bert_group *g; /* NULL: nothing is shared */
    bool reads;          /* this process does, */
    bool lays;           /* for others of its host, too */
    int fd;              /* of the file; or -1 */
} bert_sharing;

int bert_sharing_begin(bert_sharing *s, const bert_dataset_options *o, const bert_model *base,
                       bert_error *e);
/* Frees d, and takes it up from where it was laid down; NULL: *e says why. */
bert_dataset *bert_sharing_lay(const bert_sharing *s, bert_dataset *d,
                               const bert_dataset_options *o, const bert_model *base,
                               bert_error *e);
/* rc, and *e, of who reads: what it was. Waits for it. */
int bert_sharing_hear(const bert_sharing *s, int rc, bert_error *e);
bert_dataset *bert_sharing_take(const bert_sharing *s, const bert_dataset_options *o,
                                const bert_model *base, bert_error *e);
/* Whether all have succeeded, as bert_group_agree(). */
int bert_sharing_end(bert_sharing *s, int rc, bert_error *e);
#endif
