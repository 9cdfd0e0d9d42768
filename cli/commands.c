/* The table of commands. A new one is a file with a `const command` and a row here. */
#include "commands.h"
#include "nearest.h"
#include <string.h>

const command *const commands[] = {
    &tokenize_command,
    &encode_command,
    &embed_command,
    &similarity_command,
    &rerank_command,
    &classify_command,
    &answer_command,
    &choose_command,
    &fill_command,
    &tag_command,
    &next_sentence_command,
    &train_tokenizer_command,
    &explain_command,
    &train_command,
    &evaluate_command,
    &info_command,
    &convert_command,
    &bench_command,
    &pull_command,
    &push_command,
    &list_command,
    &remove_command,
#ifdef BERT_WITH_SERVER
    &serve_command,
#endif
    NULL,
};

const command *command_find(const char *name) {
    nearest near = nearest_to(name);
    for (int i = 0; commands[i]; i++) {
        if (!strcmp(commands[i]->name, name)) return commands[i];
        nearest_offer(&near, commands[i]->name);
    }
    fprintf(stderr, "bert: there is no command '%s'", name);
    if (near.best) fprintf(stderr, "; did you mean '%s'?", near.best);
    fprintf(stderr, "\nTry 'bert --help'.\n");
    return NULL;
}

void print_usage(FILE *f) {
    fprintf(f, "usage: bert COMMAND [operands] [options]\n\n");
    for (int i = 0; commands[i]; i++)
        fprintf(f, "  %-15s %s\n", commands[i]->name, commands[i]->help);
    fprintf(
        f,
        "\n"
        "MODEL is a directory with config.json, weights and a tokenizer, or a name: of a model\n"
        "in the cache, or at the hub, from where it is fetched. Texts come as operands, from\n"
        "-i FILE (.txt: one a line; .csv, .tsv, .jsonl) or from standard input. Results go to\n"
        "standard output: columns on a terminal, else one JSON object a line.\n\n"
        "'bert COMMAND --help' says what a command takes. 'bert --version' is %s.\n",
        bert_version());
}
