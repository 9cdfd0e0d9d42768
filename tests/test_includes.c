/* Who may include whom: the rooms of docs/architecture.md, held to what the page says. A room
 * includes itself, the rooms of its row, all of which stand above it in the table, and the public
 * headers of its row. Within a room, files do not include each other in circles. */
#include "test.h"
#include <dirent.h>
#include <stdbool.h>
#include <unistd.h>

typedef struct {
    const char *room;
    const char *may;    /* rooms, or single headers of them */
    const char *public; /* headers of include/ */
} row;

static const row rooms[] = {
    {"include", "", "bert.h bert_group.h"},
    {"src/base", "", "bert.h"},
    {"src/device", "base", "bert.h"},
    {"src/cpu", "base device", "bert.h"},
    {"src/files", "base", "bert.h"},
    {"src/hub", "base files", "bert.h bert_hub.h"},
    {"src/hub/curl", "", "bert.h bert_hub.h"}, /* as anybody's module */
    {"src/group", "base files/parts.h", "bert.h bert_group.h"},
    {"src/group/mpi", "", "bert.h bert_group.h"}, /* as anybody's module */
    {"src/text", "base files hub", "bert.h"},
    {"src/image", "base files", "bert.h"},
    {"src/image/formats", "image", "bert.h"},
    {"src/tape", "base device", "bert.h bert_train.h"},
    {"src/heads", "", "bert.h bert_train.h"}, /* as anybody's head */
    {"src/recipe", "base files", "bert.h bert_train.h"},
    {"src/models", "base files hub device tape cpu/host.h heads/heads.h recipe",
     "bert.h bert_train.h"},
    {"src/data", "base files text recipe models", "bert.h bert_train.h bert_group.h"},
    {"src/pipelines", "base text recipe models cpu/host.h", "bert.h"},
    {"src/train", "base files device tape models data", "bert.h bert_train.h bert_group.h"},
    {"server", "", "bert.h"},
    {"cli", "server/server.h", "bert.h bert_train.h bert_group.h"},
    {"examples", "", "bert.h bert_train.h bert_group.h"},
};
enum { ROOMS = sizeof rooms / sizeof *rooms };

/* What is not as it should be yet. One that is no longer needed fails: strike it. */
static const struct {
    const char *file, *include;
} exceptions[] = {
    /* circles */
    {NULL, NULL},
};
enum { EXCEPTIONS = sizeof exceptions / sizeof *exceptions - 1 };
static bool needed[EXCEPTIONS + 1];

/* Whether a word of the list is `what`. */
static bool listed(const char *list, const char *what, size_t n) {
    for (const char *p = list; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && !strncmp(p, what, n)) return true;
    return false;
}

static bool excepted(const char *file, const char *include) {
    for (int i = 0; i < EXCEPTIONS; i++)
        if (!strcmp(file, exceptions[i].file) && !strcmp(include, exceptions[i].include))
            return needed[i] = true;
    return false;
}

static bool allowed(const row *r, const char *include) {
    const char *slash = strchr(include, '/');
    if (!strncmp(include, "bert", 4)) return listed(r->public, include, strlen(include));
    if (!slash) return true; /* of its own folder */
    const size_t n = (size_t)(slash - include);
    const char *name = strrchr(r->room, '/'); /* "base" of "src/base" */
    if (name && strlen(name + 1) == n && !strncmp(name + 1, include, n)) return true;
    return listed(r->may, include, n) || listed(r->may, include, strlen(include));
}

/* The include of a line: of the project's own headers, that is in quotes or <bert..>. */
static bool own_include(const char *line, char *out, size_t size) {
    char close;
    if (strncmp(line, "#include ", 9)) return false;
    line += 9;
    if (*line == '"')
        close = '"';
    else if (!strncmp(line, "<bert", 5))
        close = '>';
    else
        return false;
    const char *end = strchr(line + 1, close);
    assert_non_null(end);
    snprintf(out, size, "%.*s", (int)(end - line - 1), line + 1);
    return true;
}

static int check_file(const row *r, const char *file) {
    char path[8192], line[1024], include[1024];
    snprintf(path, sizeof path, "%s/%s", BERT_SOURCE_DIR, file);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int bad = 0;
    for (int number = 1; fgets(line, sizeof line, f); number++) {
        if (!own_include(line, include, sizeof include) || allowed(r, include) ||
            excepted(file, include))
            continue;
        print_message("%s:%d: %s does not include %s\n", file, number, r->room, include);
        bad++;
    }
    fclose(f);
    return bad;
}

static int check_room(const row *r) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", BERT_SOURCE_DIR, r->room);
    DIR *d = opendir(path);
    int bad = 0;
    for (struct dirent *f; d && (f = readdir(d));) {
        const size_t n = strlen(f->d_name);
        if (n < 3 || (strcmp(f->d_name + n - 2, ".c") && strcmp(f->d_name + n - 2, ".h"))) continue;
        snprintf(path, sizeof path, "%s/%s", r->room, f->d_name);
        bad += check_file(r, path);
    }
    if (d) closedir(d);
    return bad;
}

static void rooms_include_what_they_may(void **state) {
    (void)state;
    int bad = 0;
    for (int i = 0; i < ROOMS; i++) bad += check_room(&rooms[i]);
    if (bad) fail_msg("%d includes that docs/architecture.md does not allow", bad);
}

/* No circles: a row names rooms above it only. */
static void dependencies_point_downwards(void **state) {
    (void)state;
    for (int i = 0; i < ROOMS; i++)
        for (const char *p = rooms[i].may; *p; p += strcspn(p, " "), p += *p == ' ') {
            const size_t n = strcspn(p, " /");
            bool above = false;
            for (int j = 0; j < i; j++) {
                const char *slash = strrchr(rooms[j].room, '/');
                const char *name = slash ? slash + 1 : rooms[j].room;
                above |= strlen(name) == n && !strncmp(name, p, n);
            }
            if (!above) fail_msg("%s: %.*s is not above it", rooms[i].room, (int)n, p);
        }
}

/* ---- Circles within a room, in which a .h and its .c are one file */

enum { FILES = 256, NAME = 64 };

typedef struct {
    char name[FILES][NAME];
    bool includes[FILES][FILES];
    int n;
    int seen[FILES]; /* 1: on the way, 2: without circles */
    char circle[1024];
} graph;

/* The file of a name without its ".h" or ".c". */
static int node_of(graph *g, const char *name) {
    const int length = (int)strlen(name) - 2;
    for (int i = 0; i < g->n; i++)
        if ((int)strlen(g->name[i]) == length && !strncmp(g->name[i], name, (size_t)length))
            return i;
    assert_true(g->n < FILES && length < NAME);
    snprintf(g->name[g->n], NAME, "%.*s", length, name);
    return g->n++;
}

/* What an include is called in the room; NULL: it is of another. */
static const char *within(const row *r, const char *include) {
    const char *room = strrchr(r->room, '/'), *slash = strrchr(include, '/');
    if (!slash) return include;
    room = room ? r->room + strlen("src/") : r->room;
    const size_t n = (size_t)(slash - include);
    return strlen(room) == n && !strncmp(room, include, n) ? slash + 1 : NULL;
}

static void add_file(graph *g, const row *r, const char *file) {
    char path[8192], line[1024], include[1024];
    snprintf(path, sizeof path, "%s/%s/%s", BERT_SOURCE_DIR, r->room, file);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    const int from = node_of(g, file);
    while (fgets(line, sizeof line, f)) {
        char own[1024];
        const char *name = own_include(line, include, sizeof include) ? within(r, include) : NULL;
        snprintf(own, sizeof own, "%s/%s", r->room, file);
        if (!name || excepted(own, include)) continue;
        snprintf(path, sizeof path, "%s/%s/%s", BERT_SOURCE_DIR, r->room, name);
        if (access(path, R_OK)) continue; /* <bert.h> of another room */
        const int to = node_of(g, name);
        g->includes[from][to] = from != to;
    }
    fclose(f);
}

/* The first circle that is met from a file on, written down. */
static bool find_circle(graph *g, int from) {
    g->seen[from] = 1;
    for (int to = 0; to < g->n; to++) {
        if (!g->includes[from][to] || g->seen[to] == 2) continue;
        if (g->seen[to] == 1)
            snprintf(g->circle, sizeof g->circle, "%s", g->name[to]);
        else if (!find_circle(g, to))
            continue;
        const size_t n = strlen(g->circle);
        snprintf(g->circle + n, sizeof g->circle - n, " < %s", g->name[from]);
        return true;
    }
    g->seen[from] = 2;
    return false;
}

static void rooms_have_no_circles(void **state) {
    (void)state;
    for (int i = 0; i < ROOMS; i++) {
        char path[4096];
        graph *g = calloc(1, sizeof *g);
        assert_non_null(g);
        snprintf(path, sizeof path, "%s/%s", BERT_SOURCE_DIR, rooms[i].room);
        DIR *d = opendir(path);
        for (struct dirent *f; d && (f = readdir(d));) {
            const size_t n = strlen(f->d_name);
            if (n > 2 && (!strcmp(f->d_name + n - 2, ".c") || !strcmp(f->d_name + n - 2, ".h")))
                add_file(g, &rooms[i], f->d_name);
        }
        if (d) closedir(d);
        for (int k = 0; k < g->n; k++)
            if (!g->seen[k] && find_circle(g, k))
                fail_msg("%s: files include each other: %s", rooms[i].room, g->circle);
        free(g);
    }
}

static void exceptions_are_needed(void **state) {
    (void)state;
    for (int i = 0; i < EXCEPTIONS; i++)
        if (!needed[i])
            fail_msg("%s does not include %s any more: strike the exception", exceptions[i].file,
                     exceptions[i].include);
}

/* Every folder of src/ is a room. */
static void every_folder_has_a_row(void **state) {
    (void)state;
    DIR *d = opendir(BERT_SOURCE_DIR "/src");
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));) {
        if (f->d_name[0] == '.') continue;
        bool found = false;
        for (int i = 0; i < ROOMS; i++)
            found |= !strncmp(rooms[i].room, "src/", 4) && !strcmp(rooms[i].room + 4, f->d_name);
        if (!found) fail_msg("src/%s has no row", f->d_name);
    }
    closedir(d);
}

/* ---- "Where does it go?": each row names what shows it */

static char *contents(const char *name) {
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", BERT_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    const long n = ftell(f);
    rewind(f);
    char *text = calloc(1, (size_t)n + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)n, f), n);
    fclose(f);
    return text;
}

/* Whether some test of tests/ has the name. */
static bool is_test(const char *name, size_t n) {
    DIR *d = opendir(BERT_SOURCE_DIR "/tests");
    bool found = false;
    char wanted[256], file[512];
    snprintf(wanted, sizeof wanted, "static void %.*s(void **state)", (int)n, name);
    assert_non_null(d);
    for (struct dirent *f; !found && (f = readdir(d));) {
        const size_t length = strlen(f->d_name);
        if (strncmp(f->d_name, "test_", 5) || strcmp(f->d_name + length - 2, ".c")) continue;
        snprintf(file, sizeof file, "tests/%s", f->d_name);
        char *text = contents(file);
        found = strstr(text, wanted);
        free(text);
    }
    closedir(d);
    return found;
}

/* A commit, seven hexadecimal digits, or a test's name in the row's last column. */
static bool is_shown(const char *line) {
    const char *end = strrchr(line, '|'), *cell = end - 1;
    while (cell > line && *cell != '|') cell--;
    bool shown = false;
    for (const char *p = cell; p < end; p++) {
        if (strspn(p, "0123456789abcdef") == 7 && p[-1] == ' ') shown = true;
        if (*p != '`') continue;
        const size_t n = strcspn(p + 1, "`");
        const char *name = p + 1;
        p += n + 1;
        if (n < 12 || memchr(name, '.', n) || memchr(name, '-', n)) continue; /* no test's name */
        if (!is_test(name, n)) fail_msg("%.*s is no test", (int)n, name);
        shown = true;
    }
    return shown;
}

static void every_row_of_the_page_is_shown(void **state) {
    (void)state;
    char *page = contents("docs/architecture.md"), *at = strstr(page, "| to add | file | row |");
    int count = 0;
    assert_non_null(at);
    at = strchr(strchr(at, '\n') + 1, '\n') + 1; /* below the table's head */
    for (char *line = strtok(at, "\n"); line && *line == '|'; line = strtok(NULL, "\n"), count++)
        if (!is_shown(line)) fail_msg("nothing shows this row: %.60s", line);
    assert_true(count > 20);
    free(page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_include_what_they_may),
        cmocka_unit_test(dependencies_point_downwards),
        cmocka_unit_test(rooms_have_no_circles),
        cmocka_unit_test(exceptions_are_needed),
        cmocka_unit_test(every_folder_has_a_row),
        cmocka_unit_test(every_row_of_the_page_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
