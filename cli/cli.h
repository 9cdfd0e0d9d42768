/* The command line tool: one row per command, options by tables, nothing but the public headers. */
#ifndef BERT_CLI_H
#define BERT_CLI_H
#include <bert_train.h>
#include <jansson.h>
#include <stdio.h>

/* What the program exits with. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* What a command's run() returns, besides BERT_OK and the library's codes, which are negative: it
 * was called in a way that it does not take. fail_usage() returns it. */
enum { USAGE = 1 };

/* ---- Options. A row parses its value into a member of the command's arguments. */

typedef struct division division; /* division.h */
typedef struct option option;
struct option {
    const char *name;  /* "max-length" */
    char letter;       /* 'i' of "-i", or 0 */
    const char *value; /* what --help calls the value; NULL: a switch */
    const char *help;
    int (*set)(const option *o, void *target, const char *value, bert_error *e);
    size_t offset; /* of the member in the command's arguments */
    unsigned group;
};
int set_string(const option *o, void *target, const char *value, bert_error *e);
int set_count(const option *o, void *target, const char *value, bert_error *e); /* int32_t, >= 0 */
int set_positive(const option *o, void *target, const char *value, bert_error *e); /* >= 1 */
int set_seed(const option *o, void *target, const char *value, bert_error *e);     /* uint64_t */
int set_true(const option *o, void *target, const char *value, bert_error *e);     /* bool */

/* The options that commands share; the first member of every command's arguments. */
typedef struct {
    int32_t threads, batch_tokens, max_length, stride;
    uint64_t seed;
    bert_precision precision;
    bert_overflow overflow;
    bool json, columns, quiet, offline;
    const char *input, *text_column, *pair_column, *label_column;
    const char *lines; /* -o FILE of commands whose results are lines */
    const char *image_column;
    const char *task;             /* of several in a model */
    double range_low, range_high; /* of 16-bit grey; both 0: of the picture itself */
    bool interpolate, skip_unreadable;
    char *view[16]; /* of one row */
    int views;
    const char *distributed; /* as bert_group_open() takes it */
    const bert_group *group; /* of commands that take one: open while they run */
    division *work;          /* what this process does of a file that they share */
    const char *model;       /* where it came as an option, not as the first operand; or NULL */
} common;
enum {
    TAKES_OUTPUT = 1,   /* --json, --columns, --quiet */
    TAKES_SESSION = 2,  /* --threads, --precision, --batch-tokens, --seed */
    TAKES_LIMIT = 4,    /* --max-length, --on-overflow */
    TAKES_STRIDE = 8,   /* --stride */
    TAKES_FILE = 16,    /* -i */
    TAKES_COLUMNS = 32, /* --text-column, --pair-column */
    TAKES_LABEL = 64,   /* --label-column */
    TAKES_MODEL = 128,  /* --offline */
    TAKES_VIEWS = 4096, /* --view */
    TAKES_IMAGES = 256, /* --image-column, --image-range .. */
    TAKES_TASK = 512,   /* --task */
    TAKES_QUIET = 1024, /* --quiet alone */
    TAKES_LINES = 8192, /* -o FILE.jsonl: main() opens it, and what output_line() puts goes there */
    TAKES_GROUP = 2048, /* --distributed; run() is called in every process, and returns the same */
    TAKES_INPUT = TAKES_FILE | TAKES_COLUMNS,
};

typedef struct {
    const char *name, *operands, *help; /* help: one line */
    const char *more;                   /* paragraph under it in --help, or NULL */
    int min_operands, max_operands;
    unsigned groups;       /* TAKES_... */
    const option *options; /* its own, ended by a row without name; or NULL */
    /* Rows that are known at run time only: false past the end; or NULL. */
    bool (*option_at)(int i, option *out);
    /* What an option that it does not have comes to here; or NULL. Where it is not, its switches
     * may have a value. */
    bert_foreign (*foreign)(const char *name, const char *value);
    size_t size; /* of its arguments */
    void (*defaults)(void *arguments);
    /* Returns BERT_OK, USAGE or a code of the library. */
    int (*run)(void *arguments, int operands, char **operand, bert_error *e);
    /* Frees what options put into the arguments, whether it was run or not; or NULL. */
    void (*release)(void *arguments);
} command;
extern const command *const commands[]; /* ended by NULL */
const command *command_find(const char *name);

/* What followed the command's name. */
typedef struct {
    bool helped; /* help was asked for, and has been printed */
    int operands;
    char **operand; /* in order */
    char *wrong;    /* "" where nothing is, or NULL */
    char *notes;    /* to be said before it runs, or NULL */
} parsed;

/* Parses it: 0, USAGE or an error, which is in p->wrong. */
int options_parse(const command *c, int argc, char **argv, void *arguments, parsed *p);
void parsed_free(parsed *p);
/* An option by its name, as if it were typed with this value; it stays where it is, the value too.
 */
int options_set(const command *c, void *arguments, const char *name, const char *value,
                bert_error *e);
void print_help(const command *c, FILE *f);
void print_usage(FILE *f);

/* ---- Models and texts */

bert_session_options session_options(const common *c);
bert_text_options task_options(const common *c);
/* The directory of a model by directory or name, fetched where it is not there; weights only where
 * they are wanted. */
int find_model(const char *name, const common *c, bool weights, char *directory, size_t capacity,
               bert_error *e);
bert_model *open_model(const char *name, const common *c, const char *head, bert_error *e);
/* Says what is doubtful of the model's checkpoint; open_model() does so. */
void model_notes(const common *c, const bert_model *m);
/* A model under a head of that name, all of which its checkpoint holds. */
bert_model *open_head(const char *name, const common *c, const char *head, bert_error *e);
/* A model under the head that its configuration names, or with none; says where it is not trained. */
bert_model *open_own_head(const char *name, const common *c, bert_error *e);
/* Whether its weights are packed for use: such a model cannot be trained. */
bool is_packed(const bert_model *m);
/* Of a model without a head: it has several tasks, and nobody said which; then *e is set. */
bool says_tasks(const bert_model *m, bert_error *e);
/* A model with any head of its own. */
bert_model *open_trained(const char *name, const common *c, bert_error *e);
/* A model with a sequence-classification head; says so where that head is not a trained one. */
bert_model *open_classifier(const char *name, const common *c, bert_error *e);
/* The same, or one without a head that makes vectors of tokens: then *kind is BERT_VECTORS_MULTI. */
bert_model *open_ranker(const char *name, const common *c, unsigned *kind, bert_error *e);

/* Texts from the operands, a file, or standard input, a bounded number at a time. */
typedef struct input input;
input *input_open(const common *c, int texts, char **text, bert_error *e);
/* The same of rows of a model with a recipe (or NULL): its columns, and `row` texts of each row, one
 * behind the other. */
input *input_open_rows(const common *c, const bert_recipe *r, int row, int texts, char **text,
                       bert_error *e);
/* Whether a file has them: a table, or a folder; not lines. */
bool has_columns(const char *path);
/* What --view gives stands in the place of operands. */
int use_views(const common *c, int *operands, char ***operand, bert_error *e);
/* Operands are whole rows of so many, of texts or pictures. */
int check_rows(int operands, int row, const char *what, bert_error *e);
/* The next texts, valid until the next call; 0 at the end, or a negative error. */
int32_t input_next(input *in, const bert_text **texts, bert_error *e);
/* Puts the place of text `i` of the latest texts in front of the message. */
void input_explain(const input *in, bert_error *e);
/* Calls each() for all texts, some at a time; an error of it that begins "text i", i among those,
 * then names the text's place. */
int input_batches(input *in,
                  int (*each)(void *context, input *in, const bert_text *texts, int32_t n,
                              bert_error *e),
                  void *context, bert_error *e);
/* Text i of the latest ones failed, as info says, and the others are answered: it is named, and its line
 * is {"error":..,"text":..} where lines are JSON. An error where it is the only one, in is NULL, or
 * several processes share the file. */
int input_pass_over(input *in, int32_t i, const bert_text_info *info, bert_error *e);
/* Once all are read: an error that counts those, if there were any. input_batches() ends with it. */
int input_sum_up(const input *in, bert_error *e);
/* The answers go into that file (NULL: where lines go), which is not written then. */
void input_into(input *in, const char *file);
/* Calls each() for every text, one at a time, which it calls text 0. */
int input_each(input *in, int (*each)(void *context, const bert_text *text, bert_error *e),
               void *context, bert_error *e);
int64_t input_count(const input *in); /* given out so far; of several processes: all there are */
int64_t input_first(const input *in); /* texts in front of the latest ones */
/* Several processes share a file and write one: without them it is wrong usage. */
int check_divided(const common *c, const char *output, bert_error *e);
void input_close(input *in);
/* Which columns of a file were taken where there was a choice, and what is unusual in it. */
void say_how_read(const common *c, const char *path, const bert_reader *r);

/* ---- Output */

bool output_json(const common *c); /* JSON lines, not columns */
/* Whether lines can go into a file of that name (.jsonl), which is not what is read; USAGE, or an
 * error, that says what to do. */
int check_lines_file(const common *c, const char *path, bert_error *e);
/* From here on lines go into `f`, which `name` is for messages; NULL: to standard output again. */
void output_into(FILE *f, const char *name);
/* One JSON object as a line on standard output, or where output_into() says; takes the reference.
 * NULL: out of memory. */
int output_line(json_t *object, bert_error *e);
/* What was printed has reached its reader; called once at the end, and after each batch where
 * somebody is watching. */
int output_flush(bert_error *e);
json_t *json_number(double x); /* null for what is not finite */
json_t *json_floats(const float *x, size_t n);
json_t *json_ints(const int32_t *x, size_t n);
bool is_utf8(const char *text, size_t bytes);
/* A string of user's text; what is not UTF-8 in it is U+FFFD, as the tokenizer read it. */
json_t *json_text(const char *text, size_t bytes);
/* How wide the terminal is, or 80. */
int terminal_width(int fd);
/* The first columns of text that fit, with no control characters; into out, which holds 4 * columns
 * + 4 bytes. */
void fit(const bert_text *text, int columns, char *out);
/* "1.3 GB". */
void format_bytes(int64_t bytes, char *out, size_t capacity);
/* Columns that UTF-8 text takes: its characters, not its bytes. */
int columns_of(const char *text);
/* Prints text at the left of a column that is this wide, or all of it where it is wider. */
void print_column(const char *text, int columns);
#define NO_HEADER                                                                                  \
    "the first line names no known column and is read as a row; --text-column NAME makes it the "  \
    "header"
/* Messages, to standard error. */
void note(const common *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What one row failed with while others are answered; --quiet does not silence it. */
void say_error(const char *message);

/* Of n infos that are a row's, the first that says it failed; NULL: none does. */
const bert_text_info *first_failed(const bert_text_info *info, int n);
/* Says that text i of a batch lost tokens: adds "dropped" to its row. */
int json_dropped(json_t *row, const bert_text_info *info);
/* The same at the end of a row in columns. */
void print_dropped(const bert_text_info *info);
/* Of n pairs with one text, the one that lost most. */
bert_text_info most_dropped(const bert_text_info *info, int n);

/* Sets *e unless it is set, and returns code. */
int fail(bert_error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int fail_memory(bert_error *e);
/* The same with BERT_EINVAL where the options are at fault; returns USAGE. */
int fail_usage(bert_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
