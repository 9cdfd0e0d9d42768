#include "files/foreign.h"
#include "base/file.h"
#include <stdbool.h>
#include <string.h>

#define FROM_DATASETS "with datasets: load_dataset(..)[\"train\"].to_json(\"data.jsonl\")"
#define FROM_PANDAS ".to_json(\"data.jsonl\", orient=\"records\", lines=True)"
#define UNPACK "; unpack it first"

#define WORDS                                                                                      \
    "holds a word and its label a line; --task token-classification, and evaluate, read it, and "  \
    "texts are needed here (.txt: one a line)"

typedef struct {
    const char *start; /* the first bytes; NULL: the name alone tells */
    size_t bytes;
    const char *suffix; /* or NULL: the name says nothing */
    const char *is;
} kind;

#define START(text) text, sizeof text - 1
static const kind kinds[] = {
    {START("PAR1\x15"), ".parquet",
     "is a Parquet file; pandas.read_parquet(..)" FROM_PANDAS " makes JSON lines of it"},
    {START("ARROW1\0\0"), ".arrow", "is an Arrow file; " FROM_DATASETS " makes JSON lines of it"},
    {START("\xff\xff\xff\xff"), NULL,
     "is an Arrow stream; " FROM_DATASETS " makes JSON lines of it"},
    {START("FEA1"), ".feather",
     "is a Feather file; pandas.read_feather(..)" FROM_PANDAS " makes JSON lines of it"},
    {START("PK\3\4"), ".xlsx",
     "is a zip archive, as Excel's .xlsx files are; save the sheet as CSV (UTF-8), or unpack the "
     "archive first"},
    {START("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), ".xls",
     "is an old Excel or Word file; save the sheet as CSV (UTF-8)"},
    {NULL, 0, ".ods", "is a spreadsheet; save the sheet as CSV (UTF-8)"},
    {START("\x1f\x8b"), ".gz", "is compressed (gzip)" UNPACK},
    {START("BZh91AY&SY"), ".bz2", "is compressed (bzip2)" UNPACK},
    {START("\xfd"
           "7zXZ"),
     ".xz", "is compressed (xz)" UNPACK},
    {START("\x28\xb5\x2f\xfd"), ".zst", "is compressed (Zstandard)" UNPACK},
    {NULL, 0, ".zip", "is a zip archive" UNPACK},
    {START("7z\xbc\xaf\x27\x1c"), ".7z", "is a 7-Zip archive" UNPACK},
    {START("SQLite format 3\0"), ".sqlite",
     "is an SQLite database; pandas.read_sql(..)" FROM_PANDAS " makes JSON lines of it"},
    {START("\x89HDF"), ".h5",
     "is an HDF5 file; pandas.read_hdf(..)" FROM_PANDAS " makes JSON lines of it"},
    {NULL, 0, ".pkl", "is a pickle; pandas.read_pickle(..)" FROM_PANDAS " makes JSON lines of it"},
    {START("\x80\x04\x95"), ".pickle",
     "is a pickle; pandas.read_pickle(..)" FROM_PANDAS " makes JSON lines of it"},
    {START("%PDF-"), ".pdf", "is a PDF; its text is needed"},
    {START("{\\rtf"), ".rtf", "is a rich text document; save it as plain text (UTF-8)"},
    {NULL, 0, ".conll", WORDS},
    {NULL, 0, ".conllu", WORDS},
    {NULL, 0, ".bio", WORDS},
    {NULL, 0, ".iob", WORDS},
    {START("version https://git-lfs.github.com/"), NULL,
     "is a git-lfs pointer, not the file it stands for: 'git lfs pull' in its repository fetches "
     "that"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

const char *bert_foreign_data(const char *data, size_t size) {
    for (int i = 0; i < KINDS; i++) {
        const kind *k = &kinds[i];
        if (k->start && size >= k->bytes && !memcmp(data, k->start, k->bytes)) return k->is;
    }
    return NULL;
}

const char *bert_foreign_name(const char *path) {
    for (int i = 0; i < KINDS; i++)
        if (kinds[i].suffix && bert_file_has_suffix(path, kinds[i].suffix)) return kinds[i].is;
    return NULL;
}
