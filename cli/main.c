/* bert COMMAND: finds the row, parses its options, runs it, turns its error into words. */
#include "cli.h"
#include "file.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A command that prints lines, with -o. */
static int run_into_file(const command *c, const common *all, int operands, char **operand,
                         bert_error *e) {
    new_file file = {0};
    int rc = check_lines_file(all, all->lines, e);
    if (!rc) rc = new_file_open(&file, all->lines, e);
    if (!rc) {
        output_into(file.f, all->lines);
        rc = c->run((void *)(uintptr_t)all, operands, operand, e);
        output_into(NULL, NULL);
    }
    if (!rc) rc = new_file_commit(&file, e);
    new_file_abort(&file);
    return rc;
}

static int run(const command *c, int argc, char **argv) {
    void *arguments = calloc(1, c->size);
    char **operand = calloc((size_t)argc + 1, sizeof *operand);
    bert_error e = {0};
    int status = EXIT_FAILED, operands = 0;
    if (!arguments || !operand) {
        fprintf(stderr, "bert %s: out of memory\n", c->name);
    } else if (options_parse(c, argc, argv, arguments, &operands, operand, &status)) {
        const common *all = arguments;
        int rc = all->lines ? run_into_file(c, all, operands, operand, &e)
                            : c->run(arguments, operands, operand, &e);
        /* A row that did not reach its reader is a failure, whatever else went well. */
        int written = output_flush(&e);
        status = rc == USAGE ? EXIT_USAGE : rc || written ? EXIT_FAILED : EXIT_OK;
        if (e.code) fprintf(stderr, "bert %s: %s\n", c->name, e.message);
        if (status == EXIT_USAGE) fprintf(stderr, "Try 'bert %s --help'.\n", c->name);
    }
    free(arguments);
    free(operand);
    return status;
}

/* A standard file that is closed would be the next one opened: a model read as text, messages
 * written into a checkpoint. What is held open here, the wrong way round, fails as a closed one. */
static void hold_standard_files(void) {
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd ? O_RDONLY : O_WRONLY);
}

int main(int argc, char **argv) {
    hold_standard_files();
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is a write error like any other */
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--version")) {
        printf("bert %s\n", bert_version());
        return output_flush(NULL) ? EXIT_FAILED : EXIT_OK;
    }
    bool help = !strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h");
    if (help && argc > 2) {
        const command *c = command_find(argv[2]);
        if (!c) return EXIT_USAGE;
        print_help(c, stdout);
        return output_flush(NULL) ? EXIT_FAILED : EXIT_OK;
    }
    if (help || argc < 2) {
        print_usage(help ? stdout : stderr);
        return !help ? EXIT_USAGE : output_flush(NULL) ? EXIT_FAILED : EXIT_OK;
    }
    const command *c = command_find(name);
    return c ? run(c, argc - 2, argv + 2) : EXIT_USAGE;
}
