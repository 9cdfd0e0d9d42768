/* bert COMMAND: finds the row, parses its options, runs it, turns its error into words. */
#include "cli.h"
#include "group.h"
#include "parted.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A command that prints lines, with -o. */
static int run_into_file(const command *c, const common *all, int operands, char **operand,
                         bert_error *e) {
    int rc = check_lines_file(all, all->lines, e);
    if (rc) return rc;
    parted *file = parted_create(all->work, all->lines, 0, e);
    if (!file) return BERT_EIO;
    rc = parted_add(file, STREAM_ROWS, 1, 0, e);
    if (rc >= 0) {
        output_into(parted_stream(file, 0), all->lines);
        rc = c->run((void *)(uintptr_t)all, operands, operand, e);
        if (!rc) rc = output_flush(e);
        output_into(NULL, NULL);
    }
    return parted_commit(file, NULL, NULL, rc, e);
}

/* What was typed is wrong, with the same words in every process of a group as a rule. */
static int say_wrong(const command *c, const bert_group *g, const parsed *p, const bert_error *e) {
    const size_t said = sizeof e->message - 1;
    const bool own = p->wrong && *p->wrong && !strncmp(e->message, p->wrong, said);
    if (!g || !g->rank) {
        fprintf(stderr, "bert %s: %s\n", c->name, own ? p->wrong : e->message);
        fprintf(stderr, "Try 'bert %s --help'.\n", c->name);
    }
    bert_group_close(g);
    return EXIT_USAGE;
}

static int run_parsed(const command *c, void *arguments, const parsed *p, bert_error *e) {
    common *shared = arguments; /* the first member */
    if (p->notes) note(shared, "%s", p->notes);
    return shared->lines ? run_into_file(c, shared, p->operands, p->operand, e)
                         : c->run(arguments, p->operands, p->operand, e);
}

/* In a group all have the same status, and one says why. wrong: the error of what was typed. */
static int run_joined(const command *c, void *arguments, const parsed *p, int wrong) {
    bert_error e = {0}, typed = {.code = wrong};
    common *shared = arguments;
    if (wrong) snprintf(typed.message, sizeof typed.message, "%s", p->wrong ? p->wrong : "");
    int rc = group_join(c, shared, &e);
    if (rc && wrong) return say_wrong(c, NULL, p, &typed);
    wrong = bert_group_agree(shared->group, wrong, &typed);
    if (wrong) {
        division_free(shared->work);
        return say_wrong(c, shared->group, p, &typed);
    }
    if (!rc) rc = run_parsed(c, arguments, p, &e);
    const bert_group *g = shared->group;
    if (shared->work) rc = division_agree(shared->work, rc, &e);
    division_free(shared->work);
    /* A row that did not reach its reader is a failure, whatever else went well. */
    int written = output_flush(&e);
    written = bert_group_agree(g, written && !rc ? written : 0, &e);
    const int status = rc == USAGE ? EXIT_USAGE : rc || written ? EXIT_FAILED : EXIT_OK;
    if (e.code && !g->rank) fprintf(stderr, "bert %s: %s\n", c->name, e.message);
    if (status == EXIT_USAGE && !g->rank) fprintf(stderr, "Try 'bert %s --help'.\n", c->name);
    bert_group_close(g);
    return status;
}

static int run(const command *c, int argc, char **argv) {
    void *arguments = calloc(1, c->size);
    if (!arguments) {
        fprintf(stderr, "bert %s: out of memory\n", c->name);
        return EXIT_FAILED;
    }
    parsed p;
    int status, rc = options_parse(c, argc, argv, arguments, &p);
    if (p.helped)
        status = output_flush(NULL) ? EXIT_FAILED : EXIT_OK;
    else
        status = run_joined(c, arguments, &p, rc);
    if (c->release) c->release(arguments);
    free(arguments);
    parsed_free(&p);
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
