/* The hub's cache as huggingface_hub leaves it: names, revisions, links, what is whole; listing and
 * removing. */
#include "hub/cache.h"
#include "hub/digest.h"
#include "hub/hub.h"
#include "hub_cache.h"
#include "models.h"

/* ---- Digests: examples of FIPS 180-4, and of each length around a block */

static void hex_of(bert_digest_kind kind, const char *data, size_t bytes, size_t step, char *hex) {
    bert_digest d;
    bert_digest_begin(&d, kind);
    for (size_t i = 0; i < bytes; i += step)
        bert_digest_add(&d, data + i, bytes - i < step ? bytes - i : step);
    bert_digest_end(&d, hex);
}

static void digests_are_those_of_the_standard(void **state) {
    (void)state;
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static const struct {
        bert_digest_kind kind;
        const char *text, *hex;
    } cases[] = {
        {BERT_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {BERT_SHA1, two, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {BERT_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {BERT_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {BERT_SHA256, two, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {BERT_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    };
    char hex[BERT_DIGEST_HEX], again[BERT_DIGEST_HEX], *million = malloc(1000000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hex_of(cases[i].kind, cases[i].text, strlen(cases[i].text), 7, hex);
        assert_string_equal(hex, cases[i].hex);
    }
    assert_non_null(million);
    memset(million, 'a', 1000000);
    hex_of(BERT_SHA256, million, 1000000, 999, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    hex_of(BERT_SHA1, million, 1000000, 1000000, hex);
    assert_string_equal(hex, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    for (size_t n = 0; n < 200; n++) {
        hex_of(BERT_SHA256, million, n, 1, hex);
        hex_of(BERT_SHA256, million, n, n + 1, again);
        assert_string_equal(hex, again);
    }
    free(million);
}

/* ---- Names */

static void names_are_the_hubs(void **state) {
    (void)state;
    static const char *const good[] = {"bert-base-uncased", "org/name", "a",
                                       "A_b.c-d/x",         "_x/y_",    "123/4"};
    static const char *const bad[] = {
        "",   "/x",  "x/",   "a/b/c", "a--b",   "a..b", "x.git", "-a",       "a-",      ".a",
        "a.", "a b", "o/.x", "o/x.",  "a/../b", "a\\b", "a:b",   "\xc3\xa9", "o/x.git", "a%2fb/c"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(bert_hub_is_id(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (bert_hub_is_id(bad[i])) fail_msg("%s", bad[i]);
    char longest[99];
    memset(longest, 'x', 98);
    longest[96] = 0;
    assert_true(bert_hub_is_id(longest));
    longest[96] = 'x', longest[97] = 0;
    assert_false(bert_hub_is_id(longest));
}

static void revisions_lead_nowhere_else(void **state) {
    (void)state;
    static const char *const good[] = {"main", "v1.0", "refs/pr/4", "feature/x", COMMIT};
    static const char *const bad[] = {"",   "..", "a/../b", "/a", "a/",   "a//b", "a b", "a\\b",
                                      "~a", ".a", "a/.b",   "-x", "a\nb", "x?",   "a."};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(bert_hub_is_revision(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (bert_hub_is_revision(bad[i])) fail_msg("%s", bad[i]);
    static const char *const paths[] = {"a/b.json", "1_Pooling/config.json", ".x"};
    static const char *const strays[] = {"",     "/etc/x", "../x",  "a/../b",   "a//b",
                                         "a\\b", "C:x",    "a/.",   "./a",      "a/",
                                         "..",   "a\nb",   "x\x7f", "a/../../b"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_true(bert_hub_is_path(paths[i]));
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++)
        if (bert_hub_is_path(strays[i])) fail_msg("%s", strays[i]);
}

static void folders_have_the_name_as_asked(void **state) {
    (void)state;
    char folder[300], id[BERT_HUB_ID];
    bert_hub_folder("julien-c/EsperBERTo-small", folder, sizeof folder);
    assert_string_equal(folder, "models--julien-c--EsperBERTo-small");
    assert_true(bert_hub_unfold(folder, id, sizeof id));
    assert_string_equal(id, "julien-c/EsperBERTo-small");
    assert_false(bert_hub_unfold("datasets--a--b", id, sizeof id));
    assert_false(bert_hub_unfold("models--a--b--c", id, sizeof id));
    assert_false(bert_hub_unfold("models--", id, sizeof id));
}

/* ---- The environment */

static void cache_is(const char *path) {
    assert_string_equal(bert_hub_cache().path, path);
}

static void the_environment_is_huggingface_hubs(void **state) {
    (void)state;
    static const char *const names[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
                                        "XDG_CACHE_HOME"};
    for (int i = 0; i < 4; i++) unsetenv(names[i]);
    char *home = strdup(getenv("HOME"));
    setenv("HOME", "/h", 1);
    cache_is("/h/.cache/huggingface/hub");
    setenv("XDG_CACHE_HOME", "/x", 1);
    cache_is("/x/huggingface/hub");
    setenv("HF_HOME", "~/models", 1);
    cache_is("/h/models/hub");
    setenv("HUGGINGFACE_HUB_CACHE", "$HOME/a/${XDG_CACHE_HOME}b", 1);
    cache_is("/h/a//xb");
    setenv("HF_HUB_CACHE", "/c/$NO_SUCH_THING/~", 1);
    cache_is("/c/$NO_SUCH_THING/~");
    for (int i = 0; i < 4; i++) unsetenv(names[i]);
    setenv("HOME", home, 1);
    free(home);
    static const struct {
        const char *offline, *transformers;
        bool is;
    } cases[] = {{"1", NULL, true},   {"on", NULL, true},  {"Yes", NULL, true},
                 {"TRUE", "0", true}, {"0", "1", false},   {NULL, "1", true},
                 {"2", NULL, false},  {NULL, NULL, false}, {"", "true", true}};
    char *was = getenv("HF_HUB_OFFLINE") ? strdup(getenv("HF_HUB_OFFLINE")) : NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsetenv("HF_HUB_OFFLINE"), unsetenv("TRANSFORMERS_OFFLINE");
        if (cases[i].offline) setenv("HF_HUB_OFFLINE", cases[i].offline, 1);
        if (cases[i].transformers) setenv("TRANSFORMERS_OFFLINE", cases[i].transformers, 1);
        assert_int_equal(bert_hub_offline(), cases[i].is);
    }
    unsetenv("HF_HUB_OFFLINE"), unsetenv("TRANSFORMERS_OFFLINE");
    if (was) setenv("HF_HUB_OFFLINE", was, 1);
    free(was);
}

static void token_is(const char *want) {
    char *token;
    bert_error e = {0};
    test_ok(e, bert_hub_token(NULL, NULL, &token, &e));
    if (want)
        assert_string_equal(token, want);
    else
        assert_null(token);
    free(token);
}

static void tokens_are_stripped(void **state) {
    (void)state;
    new_cache();
    unsetenv("HF_TOKEN");
    setenv("HF_HOME", cache_root, 1);
    token_is(NULL);
    put_file(at("token"), " hf_file\r\n");
    token_is("hf_file");
    setenv("HUGGING_FACE_HUB_TOKEN", "hf_old\n", 1);
    token_is("hf_old");
    setenv("HF_TOKEN", "  hf_new ", 1);
    token_is("hf_new");
    setenv("HF_TOKEN", "  ", 1);
    token_is("hf_old");
    setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
    token_is(NULL);
    unsetenv("HF_HUB_DISABLE_IMPLICIT_TOKEN");
    char *token;
    bert_error e = {0};
    setenv("HF_TOKEN", "a b", 1);
    assert_int_equal(bert_hub_token(NULL, NULL, &token, &e), BERT_EINVAL);
    assert_null(strstr(e.message, "a b"));
    unsetenv("HF_TOKEN"), unsetenv("HUGGING_FACE_HUB_TOKEN"), unsetenv("HF_HOME");
    drop_cache();
}

/* ---- Finding */

static void leads_to(const char *name, const char *folder, const char *commit) {
    char directory[4600];
    bert_error e = {0};
    test_ok(e, bert_resolve(name, directory, sizeof directory, &e));
    assert_string_equal(directory, at("%s/snapshots/%s", folder, commit));
}

static void fails(const char *name, int code, const char *says) {
    char directory[4600];
    bert_error e = {0};
    const int rc = bert_resolve(name, directory, sizeof directory, &e);
    if (rc != code || !strstr(e.message, says))
        fail_msg("%s: wanted %d \"%s\", got %d \"%s\"", name, code, says, rc, e.message);
}

static void snapshots_are_found_by_their_names(void **state) {
    (void)state;
    new_cache();
    put_blob("models--org--m", COMMIT, "config.json", "{}");
    put_file(at("models--org--m/refs/main"), COMMIT);
    put_file(at("models--org--m/refs/refs/pr/4"), COMMIT);
    put_blob("models--org--m", OTHER_COMMIT, "config.json", "{ }");
    put_file(at("models--org--m/refs/v1.0"), OTHER_COMMIT "\n");
    put_blob("models--FacebookAI--r", COMMIT, "config.json", "{}");
    put_file(at("models--FacebookAI--r/refs/main"), COMMIT);
    leads_to("org/m", "models--org--m", COMMIT);
    leads_to("org/m@main", "models--org--m", COMMIT);
    leads_to("org/m@refs/pr/4", "models--org--m", COMMIT);
    leads_to("org/m@v1.0", "models--org--m", OTHER_COMMIT);
    leads_to("org/m@" OTHER_COMMIT, "models--org--m", OTHER_COMMIT);
    leads_to("r", "models--FacebookAI--r", COMMIT);
    fails("org/m@v2", BERT_ENOTFOUND, "'bert pull org/m@v2' fetches");
    fails("m", BERT_ENOTFOUND, "neither in the hub's cache");
    fails("org/n", BERT_ENOTFOUND, "did you mean org/m?");
    fails("org/m@../../x", BERT_ENOTFOUND, "no such directory");
    /* a ref to a snapshot that is not there */
    put_file(at("models--org--gone/refs/main"), COMMIT);
    fails("org/gone", BERT_ENOTFOUND, "neither in the hub's cache");
    bert_error e = {0};
    char directory[4096];
    bert_resolve("org/gone", directory, sizeof directory, &e);
    assert_null(strstr(e.message, "did you mean org/gone?"));
    drop_cache();
}

/* blobs/<etag> may be a link itself, into the store that all share. */
static void put_shared(const char *folder, const char *hash, const char *text) {
    put_file(at("blobs/.huggingface-shared-blobs"), "1\n");
    put_file(at("blobs/%.2s/%s", hash, hash), text);
    char target[200];
    snprintf(target, sizeof target, "../../blobs/%.2s/%s", hash, hash);
    put_link(at("%s/blobs/etag", folder), target);
    put_link(at("%s/snapshots/" COMMIT "/config.json", folder), "../../blobs/etag");
    put_file(at("%s/refs/main", folder), COMMIT);
}

#define HASH "abababababababababababababababababababababababababababababababab"

static void links_stay_in_the_cache(void **state) {
    (void)state;
    static const char *const strays[] = {"../../../../../etc/passwd", "/etc/passwd",
                                         "../../../../x", "../../blobs/../../../x"};
    new_cache();
    put_shared("models--a--shared", HASH, "{}");
    leads_to("a/shared", "models--a--shared", COMMIT);
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++) {
        char folder[64], name[32];
        snprintf(folder, sizeof folder, "models--a--m%zu", i);
        snprintf(name, sizeof name, "a/m%zu", i);
        put_link(at("%s/snapshots/" COMMIT "/config.json", folder), strays[i]);
        put_file(at("%s/refs/main", folder), COMMIT);
        fails(name, BERT_EFORMAT, "leads out of the cache");
    }
    put_link(at("models--a--loop/snapshots/" COMMIT "/config.json"), "config.json");
    put_file(at("models--a--loop/refs/main"), COMMIT);
    fails("a/loop", BERT_EFORMAT, "without end");
    /* an absolute one that stays is followed, a dead one is nothing */
    put_file(at("models--a--abs/blobs/x"), "{}");
    put_link(at("models--a--abs/snapshots/" COMMIT "/config.json"), at("models--a--abs/blobs/x"));
    put_link(at("models--a--abs/snapshots/" COMMIT "/vocab.txt"), "../../blobs/dead");
    put_file(at("models--a--abs/refs/main"), COMMIT);
    leads_to("a/abs", "models--a--abs", COMMIT);
    drop_cache();
}

/* ---- What is whole */

static void lacks(const char *folder, bool without_weights, const char *want) {
    bert_hub_cached c;
    char missing[300] = "", id[BERT_HUB_ID];
    bert_error e = {0};
    assert_true(bert_hub_unfold(folder, id, sizeof id));
    test_ok(e, bert_hub_cached_at(&c, cache_root, id, COMMIT, &e));
    const bool is = bert_hub_incomplete(&c, without_weights, missing, sizeof missing);
    if (is != (want != NULL) || (want && strcmp(missing, want)))
        fail_msg("%s: wanted %s, got %s", folder, want ? want : "nothing", missing);
}

static void partial_snapshots_are_known(void **state) {
    (void)state;
    new_cache();
    put_blob("models--m", COMMIT, "vocab.txt", "a\n");
    lacks("models--m", false, "config.json");
    put_blob("models--m", COMMIT, "config.json", "{}");
    lacks("models--m", false, "model.safetensors");
    lacks("models--m", true, NULL);
    put_blob("models--m", COMMIT, "model.safetensors.index.json", "{}");
    put_blob("models--m", COMMIT, "model-00001-of-00002.safetensors", "x");
    lacks("models--m", false, "model-*-of-*.safetensors");
    put_blob("models--m", COMMIT, "model-00002-of-00002.safetensors", "y");
    lacks("models--m", false, NULL);
    put_blob("models--n", COMMIT, "config.json", "{}");
    put_blob("models--n", COMMIT, "pytorch_model.bin", "x");
    lacks("models--n", false, "a tokenizer");
    /* what the listing of the commit says counts more than names */
    put_file(at("models--n/trees/" COMMIT ".json"),
             "{\"format_version\": 1, \"files\": {"
             "\"config.json\": {\"size\": 2, \"blob_id\": \"a\"}, "
             "\"pytorch_model.bin\": {\"size\": 1, \"blob_id\": \"b\"}}}");
    lacks("models--n", false, NULL);
    put_file(at("models--n/trees/" COMMIT ".json"),
             "{\"format_version\": 1, \"files\": {"
             "\"config.json\": {\"size\": 2, \"blob_id\": \"a\"}, "
             "\"model.safetensors\": {\"size\": 1, \"blob_id\": \"c\", \"lfs_sha256\": \"d\"}, "
             "\"pytorch_model.bin\": {\"size\": 1, \"blob_id\": \"b\"}}}");
    lacks("models--n", false, "model.safetensors");
    /* an etag that leads elsewhere: the list is worth nothing */
    put_file(at("models--n/trees/" COMMIT ".json"),
             "{\"format_version\": 1, \"files\": {"
             "\"model.safetensors\": {\"size\": 1, \"blob_id\": \"../../../x\"}}}");
    lacks("models--n", false, "a tokenizer");
    put_file(at("models--n/trees/" COMMIT ".json"), "{\"format_version\": 2, \"files\": {}}");
    lacks("models--n", false, "a tokenizer");
    drop_cache();
}

static void modules_bring_their_folders(void **state) {
    (void)state;
    new_cache();
    put_blob("models--s", COMMIT, "modules.json",
             "[{\"path\": \"0_BERT\"}, {\"path\": \"1_Pooling\"}, {\"path\": \"../x\"}]");
    put_blob("models--s", COMMIT, "0_BERT/config.json", "{}");
    put_blob("models--s", COMMIT, "0_BERT/vocab.txt", "a\n");
    lacks("models--s", false, "model.safetensors");
    put_blob("models--s", COMMIT, "0_BERT/pytorch_model.bin", "x");
    lacks("models--s", false, NULL);
    drop_cache();
}

static void what_a_download_lacks_is_said(void **state) {
    (void)state;
    new_cache();
    put_blob("models--org--m", COMMIT, "config.json", "{\"model_type\": \"bert\"}");
    put_file(at("models--org--m/refs/main"), COMMIT);
    bert_error e = {0};
    assert_null(bert_model_open("org/m", NULL, &e));
    assert_int_equal(e.code, BERT_ENOTFOUND);
    if (!strstr(e.message, "the download of org/m is incomplete, model.safetensors is missing: "
                           "'bert pull org/m' fetches the rest"))
        fail_msg("%s", e.message);
    drop_cache();
}

/* ---- Listing and removing */

static const bert_cached_model *find(const bert_cached *c, const char *name) {
    for (int i = 0; i < bert_cached_count(c); i++)
        if (!strcmp(bert_cached_at(c, i)->name, name)) return bert_cached_at(c, i);
    fail_msg("%s is not listed", name);
    return NULL;
}

static void caches_are_listed(void **state) {
    (void)state;
    new_cache();
    setenv("BERT_HOME", at("own"), 1);
    put_blob("models--org--m", COMMIT, "config.json", "{}");
    put_blob("models--org--m", COMMIT, "a/config.json", "{} ");
    put_link(at("models--org--m/snapshots/" COMMIT "/again.json"),
             "../../blobs/" COMMIT "-config.json");
    put_file(at("models--org--m/refs/main"), COMMIT);
    put_file(at("models--org--m/refs/a/b"), COMMIT);
    put_file(at("datasets--x--y/snapshots/" COMMIT "/f"), "x");
    put_file(at("own/models/mine/config.json"), "{}");
    bert_error e = {0};
    bert_cached *c = bert_cached_open(&e);
    if (!c) fail_msg("%s", e.message);
    assert_int_equal(bert_cached_count(c), 2);
    const bert_cached_model *m = find(c, "org/m");
    assert_int_equal(m->bytes, 5);
    assert_int_equal(m->files, 2);
    assert_string_equal(m->commit, COMMIT);
    assert_string_equal(m->lacks, "model.safetensors");
    assert_non_null(strstr(m->refs, "main"));
    assert_non_null(strstr(m->refs, "a/b"));
    assert_string_equal(find(c, "mine")->path, at("own/models/mine"));
    bert_cached_close(c);
    unsetenv("BERT_HOME");
    drop_cache();
}

static int64_t removed(const char *name) {
    int64_t freed = -1;
    bert_error e = {0};
    test_ok(e, bert_cached_remove(name, &freed, &e));
    return freed;
}

static void removing_hurts_nobody_else(void **state) {
    (void)state;
    new_cache();
    put_file(at("CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n");
    put_file(at(".locks/models--org--a/etag.lock"), "");
    put_shared("models--org--a", HASH, "0123456789");
    put_link(at("models--org--b/blobs/etag"), "../../blobs/ab/" HASH);
    put_link(at("models--org--b/snapshots/" COMMIT "/config.json"), "../../blobs/etag");
    put_file(at("blobs/ab/" HASH ".refs"), "models--org--a/blobs/etag\nmodels--org--b/blobs/etag\n"
                                           "models--org--c/blobs/etag\n../../etc/passwd\n");
    put_file(at("elsewhere/kept"), "kept");
    put_link(at("models--org--a/snapshots/" COMMIT "/out"), "../../../elsewhere");
    assert_int_equal(removed("org/a"), 40); /* its ref */
    assert_false(is_there(at("models--org--a")));
    assert_true(is_there(at("elsewhere/kept")));
    assert_true(is_there(at("blobs/ab/" HASH)));
    assert_true(is_there(at("CACHEDIR.TAG")));
    assert_int_equal(removed("org/b"), 10);
    assert_false(is_there(at("blobs/ab/" HASH)));
    assert_false(is_there(at("blobs/ab/" HASH ".refs")));
    drop_cache();
}

/* Two commits of a model with one content in common, and one of another model's. */
static void one_revision_is_removed_alone(void **state) {
    (void)state;
    static const char repo[] = "models--org--m";
    new_cache();
    put_file(at("models--org--m/blobs/both"), "both");
    put_link(at("models--org--m/snapshots/" COMMIT "/config.json"), "../../blobs/both");
    put_link(at("models--org--m/snapshots/" OTHER_COMMIT "/config.json"), "../../blobs/both");
    put_blob(repo, COMMIT, "1_Pooling/config.json", "first");
    put_blob(repo, OTHER_COMMIT, "a/b.txt", "second");
    put_file(at("models--org--m/refs/main"), OTHER_COMMIT);
    put_file(at("models--org--m/refs/v1/old"), COMMIT);
    put_file(at("models--org--m/trees/" COMMIT ".json"), "{}");
    put_file(at("models--org--m/.no_exist/" COMMIT "/x"), "");
    bert_error e = {0};
    assert_int_equal(bert_cached_remove("org/m@v2", NULL, &e), BERT_ENOTFOUND);
    assert_int_equal(removed("org/m@v1/old"), 7); /* "first" and "{}" */
    assert_false(is_there(at("models--org--m/refs/v1/old")));
    assert_false(is_there(at("models--org--m/snapshots/" COMMIT)));
    assert_false(is_there(at("models--org--m/trees/" COMMIT ".json")));
    assert_false(is_there(at("models--org--m/.no_exist/" COMMIT)));
    assert_true(is_there(at("models--org--m/snapshots/" OTHER_COMMIT "/a/b.txt")));
    assert_true(is_there(at("models--org--m/blobs/both")));
    assert_true(removed("org/m@89abcde") > 0); /* the last one: all of it */
    assert_false(is_there(at(repo)));
    drop_cache();
}

static void shared_blobs_that_cannot_be_judged_stay(void **state) {
    (void)state;
    new_cache();
    put_shared("models--org--a", HASH, "0123456789");
    assert_int_equal(removed("org/a"), 40); /* the ref; there is no list of who links to the blob */
    assert_true(is_there(at("blobs/ab/" HASH)));
    put_shared("models--org--a", HASH, "0123456789");
    put_file(at("blobs/.huggingface-shared-blobs"), "2\n");
    put_file(at("blobs/ab/" HASH ".refs"), "models--org--a/blobs/etag\n");
    removed("org/a");
    assert_true(is_there(at("blobs/ab/" HASH)));
    drop_cache();
}

static void what_is_not_there_is_not_removed(void **state) {
    (void)state;
    static const char *const names[] = {"",           "..",    "../x",   "/tmp",
                                        "org/m@main", "blobs", ".locks", "org/../m"};
    new_cache();
    setenv("BERT_HOME", at("own"), 1);
    put_file(at("own/models/mine/config.json"), "{}");
    put_file(at("own/kept"), "x");
    put_blob("models--org--m", COMMIT, "config.json", "{}");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bert_error e = {0};
        if (bert_cached_remove(names[i], NULL, &e) >= 0) fail_msg("%s", names[i]);
    }
    bert_error e = {0};
    assert_int_equal(bert_cached_remove("org/n", NULL, &e), BERT_ENOTFOUND);
    assert_non_null(strstr(e.message, "did you mean org/m?"));
    assert_int_equal(removed("mine"), 2);
    assert_false(is_there(at("own/models/mine")));
    assert_true(is_there(at("own/kept")));
    assert_true(is_there(at("models--org--m")));
    unsetenv("BERT_HOME");
    drop_cache();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_standard),
        cmocka_unit_test(names_are_the_hubs),
        cmocka_unit_test(revisions_lead_nowhere_else),
        cmocka_unit_test(folders_have_the_name_as_asked),
        cmocka_unit_test(the_environment_is_huggingface_hubs),
        cmocka_unit_test(tokens_are_stripped),
        cmocka_unit_test(snapshots_are_found_by_their_names),
        cmocka_unit_test(links_stay_in_the_cache),
        cmocka_unit_test(partial_snapshots_are_known),
        cmocka_unit_test(modules_bring_their_folders),
        cmocka_unit_test(what_a_download_lacks_is_said),
        cmocka_unit_test(caches_are_listed),
        cmocka_unit_test(removing_hurts_nobody_else),
        cmocka_unit_test(one_revision_is_removed_alone),
        cmocka_unit_test(shared_blobs_that_cannot_be_judged_stay),
        cmocka_unit_test(what_is_not_there_is_not_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
