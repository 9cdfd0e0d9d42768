/* libFuzzer target: any file as a dataset. The first byte picks the format and the options; then it is
 * read again in parts, which must give the same rows and the same error. */
#include "fuzz_file.h"
#include "parts_world.h"
#include <bert.h>
#include <string.h>

static int64_t piece_bytes(const uint8_t *data, size_t size) {
    return 1 + data[size - 1] % 29;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const suffixes[] = {".txt", ".csv", ".tsv", ".jsonl"};
    if (!size) return 0;
    bert_reader_options o = {.labels = data[0] & 4};
    if (data[0] & 8) o.text_column = data[0] & 16 ? "0" : "text";
    if (data[0] & 32) o.label_column = "a,b";
    const char *path = fuzz_file(data + 1, size - 1, suffixes[data[0] & 3]);
    bert_error e = {0};
    bert_reader *r = bert_reader_open(path, &o, &e);
    bert_row row;
    int rc = r ? 1 : e.code;
    volatile size_t sum = 0;
    while (r && (rc = bert_reader_next(r, &row, &e)) > 0) {
        for (size_t i = 0; i < row.text.bytes; i++) sum += (unsigned char)row.text.text[i];
        for (int i = 0; i < row.labels; i++) sum += row.label[i] ? strlen(row.label[i]) : 1;
        for (int i = 0; i < row.fields; i++) sum += strlen(row.field[i]);
    }
    if (rc < 0 && (e.code >= 0 || !*e.message)) abort();
    if (sum == 1) fputc(0, stderr); /* so that the reads stay */
    bert_reader_close(r);
    int parts;
    char *whole = rows_in_one_pass(path, &o);
    char *cut = rows_in_parts(path, &o, piece_bytes(data, size), &parts);
    if (strcmp(whole, cut)) abort();
    free(whole);
    free(cut);
    return 0;
}
