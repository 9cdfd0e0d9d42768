/* Tile instructions against plain C: the emulator's, or the processor's where it has them. */
#include "base/rng.h"
#include "levels.h"
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#if defined(__x86_64__)
enum { ROWS = 16, BYTES = 64, WORDS = BYTES / 4, PAD = 5, STRIDE = BYTES + PAD, UNTOUCHED = 0xee };

static bert_rng rng = {.seed = 11};

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} configuration;

/* Tiles 0 and 7: results [m, n]; 1 and 6: left sides [m, k]; 2 and 5: right sides [k, n]; elements
 * of four bytes. */
typedef struct {
    int m, n, k;
} shape;
static const shape shapes[] = {{16, 16, 16}, {1, 1, 1}, {3, 5, 7}, {16, 1, 16}, {7, 16, 2}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* In words, [ROWS][WORDS] each. */
typedef struct {
    uint32_t c[ROWS][WORDS], a[ROWS][WORDS], b[ROWS][WORDS];
} operands;

static configuration configuration_of(shape s) {
    static const int roles[3][2] = {{0, 7}, {1, 6}, {2, 5}};
    const int rows[3] = {s.m, s.m, s.k}, words[3] = {s.n, s.k, s.n};
    configuration c = {.palette = 1};
    for (int role = 0; role < 3; role++)
        for (int i = 0; i < 2; i++) {
            c.rows[roles[role][i]] = (uint8_t)rows[role];
            c.bytes[roles[role][i]] = (uint16_t)(4 * words[role]);
        }
    return c;
}

/* Inline assembly with "memory": compilers' intrinsics of loads do not all say that they read it.
 */
#define CONFIGURE(c) __asm__ volatile("ldtilecfg %0" ::"m"(c) : "memory")
#define RELEASE() __asm__ volatile("tilerelease" ::: "memory")
#define ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::: "memory")
#define MOVE(text, p, stride) __asm__ volatile(text ::"r"(p), "r"((ptrdiff_t)(stride)) : "memory")
#define LOAD(t, p, stride) MOVE("tileloadd (%0,%1,1), %%tmm" #t, p, stride)
#define STORE(t, p, stride) MOVE("tilestored %%tmm" #t ", (%0,%1,1)", p, stride)
#define MULTIPLY(name, c, a, b)                                                                    \
    __asm__ volatile(name " %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")

/* c = c + a b by the instruction, with two choices of tiles, which must agree. */
#define PRODUCT(function, name)                                                                    \
    static void function(operands *o, const configuration *config) {                               \
        uint32_t again[ROWS][WORDS];                                                               \
        memcpy(again, o->c, sizeof again);                                                         \
        CONFIGURE(*config);                                                                        \
        LOAD(0, o->c, BYTES);                                                                      \
        LOAD(1, o->a, BYTES);                                                                      \
        LOAD(2, o->b, BYTES);                                                                      \
        MULTIPLY(name, 0, 1, 2);                                                                   \
        LOAD(7, again, BYTES);                                                                     \
        LOAD(6, o->a, BYTES);                                                                      \
        LOAD(5, o->b, BYTES);                                                                      \
        MULTIPLY(name, 7, 6, 5);                                                                   \
        STORE(0, o->c, BYTES);                                                                     \
        STORE(7, again, BYTES);                                                                    \
        RELEASE();                                                                                 \
        assert_memory_equal(again, o->c, sizeof again);                                            \
    }
PRODUCT(tdpbssd, "tdpbssd")
PRODUCT(tdpbsud, "tdpbsud")
PRODUCT(tdpbusd, "tdpbusd")
PRODUCT(tdpbuud, "tdpbuud")
PRODUCT(tdpbf16ps, "tdpbf16ps")

static void random_words(uint32_t *p) {
    for (int i = 0; i < ROWS * WORDS; i++) p[i] = bert_rng_u32(&rng);
}

static uint32_t byte_of(uint32_t word, int which, bool is_signed) {
    const uint32_t b = word >> 8 * which & 0xff;
    return is_signed && b > 127 ? b - 256 : b;
}

static void products_of_bytes(void **state) {
    (void)state;
    static const struct {
        void (*run)(operands *, const configuration *);
        bool a_signed, b_signed;
    } kinds[] = {{tdpbssd, true, true},
                 {tdpbsud, true, false},
                 {tdpbusd, false, true},
                 {tdpbuud, false, false}};
    for (int kind = 0; kind < 4; kind++)
        for (int x = 0; x < SHAPES; x++) {
            const shape s = shapes[x];
            const configuration config = configuration_of(s);
            operands o, before;
            random_words(o.c[0]), random_words(o.a[0]), random_words(o.b[0]);
            before = o;
            kinds[kind].run(&o, &config);
            for (int i = 0; i < ROWS; i++)
                for (int j = 0; j < WORDS; j++) {
                    uint32_t want = before.c[i][j];
                    for (int k = 0; k < s.k && i < s.m && j < s.n; k++)
                        for (int q = 0; q < 4; q++)
                            want += byte_of(before.a[i][k], q, kinds[kind].a_signed) *
                                    byte_of(before.b[k][j], q, kinds[kind].b_signed);
                    assert_int_equal(o.c[i][j], want);
                }
        }
}

static float as_float(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static uint32_t as_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Two of bf16, the first in the lower half. */
static uint32_t pair(float low, float high) {
    return as_bits(low) >> 16 | (as_bits(high) & 0xffff0000);
}

/* The order of Intel's manual. */
static float reference_bf16(const operands *o, int i, int j, int depth) {
    float even = 0, odd = 0;
    for (int k = 0; k < depth; k++) {
        const uint32_t x = o->a[i][k], y = o->b[k][j];
        even = fmaf(as_float(x << 16), as_float(y << 16), even);
        odd = fmaf(as_float(x & 0xffff0000), as_float(y & 0xffff0000), odd);
    }
    return as_float(o->c[i][j]) + (even + odd);
}

static void products_of_bf16(void **state) {
    (void)state;
    for (int whole = 0; whole < 2; whole++) /* numbers whose sums are exact in any order */
        for (int x = 0; x < SHAPES; x++) {
            const shape s = shapes[x];
            const configuration config = configuration_of(s);
            operands o, before;
            uint32_t *words = o.c[0];
            for (size_t i = 0; i < sizeof o / sizeof *words; i++) {
                float v[2];
                bert_rng_normal(&rng, v, 2, whole ? 9 : 1);
                if (whole) v[0] = rintf(v[0]), v[1] = rintf(v[1]);
                words[i] = i < ROWS * WORDS ? as_bits(v[0]) : pair(v[0], v[1]);
            }
            before = o;
            tdpbf16ps(&o, &config);
            for (int i = 0; i < ROWS; i++)
                for (int j = 0; j < WORDS; j++) {
                    if (i >= s.m || j >= s.n) {
                        assert_int_equal(o.c[i][j], before.c[i][j]);
                        continue;
                    }
                    const float got = as_float(o.c[i][j]),
                                want = reference_bf16(&before, i, j, s.k);
                    if (whole || test_emulated)
                        assert_true(got == want);
                    else /* a processor's order is its own */
                        assert_true(fabsf(got - want) <= 1e-5f);
                }
        }
}

static void denormals_are_zero(void **state) {
    (void)state;
    const configuration config = configuration_of((shape){1, 4, 1});
    operands o = {.c = {{as_bits(1e-40f), as_bits(-1e-40f), 0, as_bits(1)}},
                  .a = {{pair(1e-20f, 1)}},
                  .b = {{pair(0, 0), pair(0, 0), pair(1e-20f, 0), pair(0, 1e-40f)}}};
    tdpbf16ps(&o, &config);
    for (int j = 0; j < 3; j++) assert_int_equal(o.c[0][j] & 0x7fffffff, 0);
    assert_true(as_float(o.c[0][3]) == 1);
}

static void a_product_of_infinities_is_not_seen_beside_it(void **state) {
    (void)state;
    const configuration config = configuration_of((shape){2, 3, 1});
    operands o = {.a = {{pair(INFINITY, 0)}, {pair(NAN, 0)}}, .b = {{pair(1, 1), pair(0, 1)}}};
    tdpbf16ps(&o, &config);
    assert_true(isinf(as_float(o.c[0][0])) && isnan(as_float(o.c[0][1])));
    assert_true(isnan(as_float(o.c[1][0])) && o.c[0][3] == 0 && o.c[2][0] == 0);
}

static uint8_t from[ROWS * STRIDE * 8 + 8192], to[sizeof from];

/* Rows that a store wrote, and nothing else. */
static void check_stored(int rows, int bytes, const uint8_t *first, ptrdiff_t stride) {
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < STRIDE; i++)
            assert_int_equal(to[r * STRIDE + i],
                             r < rows && i < bytes ? first[r * stride + i] : UNTOUCHED);
}

static void loads_and_stores_keep_to_the_configured_size(void **state) {
    (void)state;
    static const int sizes[][2] = {{16, 64}, {1, 4}, {16, 12}, {5, 64}, {9, 28}};
    for (size_t i = 0; i < sizeof from; i++) from[i] = (uint8_t)bert_rng_u32(&rng);
    for (int s = 0; s < 5; s++) {
        configuration c = {.palette = 1};
        for (int t = 0; t < 8; t++)
            c.rows[t] = (uint8_t)sizes[s][0], c.bytes[t] = (uint16_t)sizes[s][1];
        CONFIGURE(c);
        static const ptrdiff_t strides[] = {STRIDE, -STRIDE, 0, 1};
        for (int x = 0; x < 4; x++) {
            const uint8_t *first = from + ROWS * STRIDE;
            memset(to, UNTOUCHED, sizeof to);
            LOAD(3, first, strides[x]);
            STORE(3, to, STRIDE);
            check_stored(sizes[s][0], sizes[s][1], first, strides[x]);
            memset(to, UNTOUCHED, sizeof to);
            MOVE("tileloaddt1 (%0,%1,1), %%tmm4", first, strides[x]);
            STORE(4, to, STRIDE);
            check_stored(sizes[s][0], sizes[s][1], first, strides[x]);
        }
        RELEASE();
    }
}

/* A load through each kind of operand reads the rows that the same address in C names. */
#define FORM(base_register, index_register, operand, offset, scale)                                \
    do {                                                                                           \
        memset(to, UNTOUCHED, sizeof to);                                                          \
        __asm__ volatile("mov %0, %%" base_register "\n\tmov %1, %%" index_register                \
                         "\n\ttileloadd " operand ", %%tmm2" ::"r"(first),                         \
                         "r"((ptrdiff_t)STRIDE)                                                    \
                         : base_register, index_register, "memory");                               \
        STORE(2, to, STRIDE);                                                                      \
        check_stored(ROWS, BYTES, first + (offset), (scale)*STRIDE);                               \
    } while (0)

static void memory_operands(void **state) {
    (void)state;
    configuration c = {.palette = 1, .rows = {[2] = ROWS}, .bytes = {[2] = BYTES}};
    const uint8_t *first = from + 4096;
    for (size_t i = 0; i < sizeof from; i++) from[i] = (uint8_t)bert_rng_u32(&rng);
    CONFIGURE(c);
    FORM("rax", "rcx", "(%%rax,%%rcx,1)", 0, 1);
    FORM("rdx", "rsi", "100(%%rdx,%%rsi,2)", 100, 2);
    FORM("rdi", "r8", "-100(%%rdi,%%r8,4)", -100, 4);
    FORM("r9", "rax", "4000(%%r9,%%rax,8)", 4000, 8);
    FORM("r10", "r11", "-4000(%%r10,%%r11,1)", -4000, 1);
    FORM("r12", "r13", "(%%r12,%%r13,1)", 0, 1);
    FORM("r13", "r12", "(%%r13,%%r12,2)", 0, 2); /* an index that shares its low bits with none */
    FORM("r14", "r15", "(%%r14,%%r15,1)", 0, 1);
    FORM("r15", "r14", "1(%%r15)", 1, 0); /* no index: the same row again and again */
    RELEASE();
}

static void configurations(void **state) {
    (void)state;
    static configuration fixed; /* addressed from the instruction pointer */
    struct {
        char skipped[300];
        configuration c;
    } near;
    near.c = fixed = configuration_of((shape){2, 2, 2});
    uint32_t one[ROWS][WORDS] = {{1, 2}, {3, 4}}, got[2][WORDS] = {{0}};
    CONFIGURE(fixed);
    LOAD(0, one, BYTES);
    STORE(0, got, BYTES);
    assert_memory_equal(got, one, sizeof got);
    ZERO(0);
    STORE(0, got, BYTES);
    assert_int_equal(got[0][0] | got[0][1] | got[1][0] | got[1][1], 0);
    LOAD(0, one, BYTES);
    MOVE("ldtilecfg 300(%0,%1,4)", &near, 0);
    STORE(0, got, BYTES); /* another configuration begins with zeros */
    assert_int_equal(got[0][0] | got[0][1] | got[1][0] | got[1][1], 0);
    RELEASE();
    RELEASE();
}

typedef struct {
    pthread_barrier_t *meet;
    shape s;
    uint32_t got[ROWS][WORDS], want[ROWS][WORDS];
} visitor;

static void *visit(void *argument) {
    visitor *v = argument;
    const configuration c = configuration_of(v->s);
    CONFIGURE(c);
    LOAD(0, v->want, BYTES);
    pthread_barrier_wait(v->meet);
    STORE(0, v->got, BYTES);
    pthread_barrier_wait(v->meet);
    RELEASE();
    return NULL;
}

static void every_thread_has_its_own(void **state) {
    (void)state;
    enum { THREADS = 3 };
    pthread_barrier_t meet;
    pthread_t thread[THREADS];
    visitor v[THREADS] = {0};
    pthread_barrier_init(&meet, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        v[i].meet = &meet;
        v[i].s = shapes[i];
        random_words(v[i].want[0]);
        assert_int_equal(pthread_create(&thread[i], NULL, visit, &v[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        for (int r = 0; r < ROWS; r++)
            for (int w = 0; w < WORDS; w++)
                assert_int_equal(v[i].got[r][w],
                                 r < v[i].s.m && w < v[i].s.n ? v[i].want[r][w] : 0);
    }
    pthread_barrier_destroy(&meet);
}

/* ------------------------------------------------------- mistakes */

static uint32_t words[ROWS][WORDS];

static void configure_small(void) {
    const configuration c = configuration_of((shape){2, 2, 2});
    CONFIGURE(c);
}
static void load_without_a_configuration(void) {
    LOAD(0, words, BYTES);
}
static void store_after_a_release(void) {
    configure_small();
    RELEASE();
    STORE(0, words, BYTES);
}
static void zero_a_tile_of_no_size(void) {
    configure_small();
    ZERO(3);
}
static void load_rows_that_are_not_words(void) {
    configuration c = configuration_of((shape){2, 2, 2});
    c.bytes[0] = 6;
    CONFIGURE(c);
    LOAD(0, words, BYTES);
}
static void multiply_a_tile_by_itself(void) {
    configure_small();
    /* tdpbssd %tmm1, %tmm1, %tmm0, which the assembler refuses */
    __asm__ volatile(".byte 0xc4, 0xe2, 0x73, 0x5e, 0xc1");
}
static void multiply_what_does_not_match(void) {
    const configuration c = configuration_of((shape){2, 2, 3});
    CONFIGURE(c);
    MULTIPLY("tdpbf16ps", 0, 2, 1);
}
static void configure_a_ninth_tile(void) {
    configuration c = configuration_of((shape){2, 2, 2});
    c.rows[8] = c.bytes[8] = 1;
    CONFIGURE(c);
}
static void configure_seventeen_rows(void) {
    const configuration c = configuration_of((shape){17, 2, 2});
    CONFIGURE(c);
}
static void configure_an_unknown_palette(void) {
    configuration c = configuration_of((shape){2, 2, 2});
    c.palette = 2;
    CONFIGURE(c);
}
static void use_something_else_that_is_illegal(void) {
    configure_small();
    __asm__ volatile("ud2");
}

static void mistakes_end_the_process(void **state) {
    (void)state;
    static void (*const mistakes[])(void) = {
        load_without_a_configuration, store_after_a_release,
        zero_a_tile_of_no_size,       load_rows_that_are_not_words,
        multiply_a_tile_by_itself,    multiply_what_does_not_match,
        configure_a_ninth_tile,       configure_seventeen_rows,
        configure_an_unknown_palette, use_something_else_that_is_illegal,
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            fclose(stderr); /* what it says about itself is not ours */
            signal(SIGILL, SIG_DFL), signal(SIGSEGV, SIG_DFL);
            if (test_emulated) tiles_emulate();
            mistakes[i]();
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), test_emulated ? SIGILL : WTERMSIG(status));
    }
}

static sigjmp_buf back;
static void jump_back(int signal_number) {
    siglongjmp(back, signal_number);
}

static void other_illegal_instructions_go_to_the_handler_before(void **state) {
    (void)state;
    if (!test_emulated) skip();
    signal(SIGILL, jump_back);
    tiles_emulate();
    tiles_emulate(); /* twice is once */
    const int caught = sigsetjmp(back, 1);
    if (!caught) __asm__ volatile("ud2");
    assert_int_equal(caught, SIGILL);
    signal(SIGILL, jump_back);
    tiles_emulate();
    const int raised = sigsetjmp(back, 1);
    if (!raised) raise(SIGILL);
    assert_int_equal(raised, SIGILL);
}

int main(void) {
    setenv("BERT_ISA", "amx", 1);
    if (!test_level()) return TEST_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_bytes),
        cmocka_unit_test(products_of_bf16),
        cmocka_unit_test(denormals_are_zero),
        cmocka_unit_test(a_product_of_infinities_is_not_seen_beside_it),
        cmocka_unit_test(loads_and_stores_keep_to_the_configured_size),
        cmocka_unit_test(memory_operands),
        cmocka_unit_test(configurations),
        cmocka_unit_test(every_thread_has_its_own),
        cmocka_unit_test(mistakes_end_the_process),
        cmocka_unit_test(other_illegal_instructions_go_to_the_handler_before),
    };
    return test_run_at_level(tests);
}
#else
int main(void) {
    return 77;
}
#endif
