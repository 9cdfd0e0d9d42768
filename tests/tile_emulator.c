#include "tile_emulator.h"
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, BYTES = 64 };

/* The 64 bytes that ldtilecfg reads. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} configuration;
_Static_assert(sizeof(configuration) == 64, "the size that ldtilecfg reads");

static _Thread_local configuration config; /* palette 0: not configured */
static _Thread_local uint32_t tile[TILES][ROWS][BYTES / 4];

/* ------------------------------------------------------ decoding */

enum { PREFIX_NONE, PREFIX_66, PREFIX_F3, PREFIX_F2 };
enum { OP_CONFIGURE = 0x49, OP_MOVE = 0x4b, OP_MULTIPLY_BF16 = 0x5c, OP_MULTIPLY_BYTES = 0x5e };

typedef struct {
    int op, prefix, length;
    int reg, rm, vvvv;   /* fields of the encoding, four bits each */
    bool memory, sib;    /* the form of rm */
    unsigned char *base; /* of the memory operand, without the index, */
    intptr_t stride;     /* and the index times its scale: tiles take it from row to row */
} instruction;

static uintptr_t register_value(const ucontext_t *u, int number) {
    static const int place[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    return (uintptr_t)u->uc_mcontext.gregs[place[number]];
}

static int32_t signed_32(const unsigned char *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The memory operand that ModRM, at p, begins. Returns its end. */
static const unsigned char *decode_memory(instruction *i, const ucontext_t *u,
                                          const unsigned char *p, int base_high, int index_high) {
    const int mod = *p >> 6, rm = *p & 7;
    uintptr_t base = 0, index = 0;
    p++;
    i->sib = rm == 4;
    bool far = mod == 2; /* a displacement of four bytes */
    if (i->sib) {
        const int b = *p & 7, x = (*p >> 3 & 7) | index_high;
        if (x != 4) index = register_value(u, x) << (*p >> 6);
        if (mod == 0 && b == 5)
            far = true;
        else
            base = register_value(u, b | base_high);
        p++;
    } else if (mod == 0 && rm == 5) { /* relative to the next instruction: no immediate follows */
        base = (uintptr_t)(p + 4);
        far = true;
    } else {
        base = register_value(u, rm | base_high);
    }
    if (far) {
        base += (uintptr_t)(intptr_t)signed_32(p);
        p += 4;
    } else if (mod == 1) {
        base += (uintptr_t)(intptr_t)(signed char)*p++;
    }
    i->base = (unsigned char *)base;
    i->stride = (intptr_t)index;
    return p;
}

/* Whether it is encoded as tile instructions are: VEX in three bytes, map 0F38, W and L 0. */
static bool decode(instruction *i, const ucontext_t *u) {
    const unsigned char *start = (const unsigned char *)(uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    const unsigned char *p = start;
    if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x84)) return false;
    *i = (instruction){.op = p[3], .prefix = p[2] & 3, .vvvv = ~(p[2] >> 3) & 15};
    if (i->op != OP_CONFIGURE && i->op != OP_MOVE && i->op != OP_MULTIPLY_BF16 &&
        i->op != OP_MULTIPLY_BYTES)
        return false;
    const int high = ~p[1]; /* the registers' fourth bits, stored inverted */
    p += 4;
    i->reg = (*p >> 3 & 7) | (high >> 7 & 1) << 3;
    i->rm = (*p & 7) | (high >> 5 & 1) << 3;
    i->memory = *p < 0xc0;
    p = i->memory ? decode_memory(i, u, p, (high >> 5 & 1) << 3, (high >> 6 & 1) << 3) : p + 1;
    i->length = (int)(p - start);
    return true;
}

/* ----------------------------------------------------- execution */

/* Each returns what is wrong, or NULL. */

static const char *configure(const instruction *i) {
    configuration c;
    memcpy(&c, i->base, sizeof c);
    if (c.palette > 1) return "no such palette";
    if (c.palette && c.start_row) return "a start row, which is not emulated";
    for (int k = 0; k < 14; k++)
        if (c.palette && c.reserved[k]) return "reserved bytes are not zero";
    for (int k = 0; k < 16 && c.palette; k++) {
        if (c.rows[k] > ROWS || c.bytes[k] > BYTES) return "a tile is too large";
        if (!c.rows[k] != !c.bytes[k]) return "a tile has rows or columns only";
        if (k >= TILES && c.rows[k]) return "more than eight tiles";
    }
    config = c;
    memset(tile, 0, sizeof tile);
    return NULL;
}

static const char *unusable(int t) {
    if (!config.palette) return "tiles are not configured";
    if (t >= TILES) return "no such tile";
    if (!config.rows[t]) return "the tile is not configured";
    /* Emerald Rapids refuses to load, to store and to clear such a tile, and not just to multiply it. */
    if (config.bytes[t] % 4) return "rows of a tile are not made of four bytes";
    return NULL;
}

static const char *load(const instruction *i) {
    const char *wrong = unusable(i->reg);
    if (wrong) return wrong;
    memset(tile[i->reg], 0, sizeof tile[i->reg]);
    for (int r = 0; r < config.rows[i->reg]; r++)
        memcpy(tile[i->reg][r], i->base + r * i->stride, config.bytes[i->reg]);
    return NULL;
}

static const char *store(const instruction *i) {
    const char *wrong = unusable(i->reg);
    if (wrong) return wrong;
    for (int r = 0; r < config.rows[i->reg]; r++)
        memcpy(i->base + r * i->stride, tile[i->reg][r], config.bytes[i->reg]);
    return NULL;
}

static const char *not_a_product(int c, int a, int b) {
    const char *wrong = unusable(c);
    if (!wrong) wrong = unusable(a);
    if (!wrong) wrong = unusable(b);
    if (wrong) return wrong;
    if (c == a || c == b || a == b) return "a product needs three different tiles";
    if (config.rows[c] != config.rows[a] || config.bytes[c] != config.bytes[b] ||
        config.bytes[a] / 4 != config.rows[b])
        return "the sizes of a product's tiles do not match";
    return NULL;
}

/* As in Intel's manual (TDPBF16PS, Operation): the even and the odd elements of the depth have a
 * chain of fused multiply-adds each, from zero; their sum is added to the tile. Round to nearest,
 * denormals are zero on both ends. */
__attribute__((target("avx512f"))) static void multiply_bf16(int c, int a, int b) {
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(0x9fc0);
    const __mmask16 columns = (__mmask16)((1u << config.bytes[c] / 4) - 1);
    const __m512i odd_half = _mm512_set1_epi32((int)0xffff0000);
    for (int m = 0; m < config.rows[c]; m++) {
        __m512 even = _mm512_setzero_ps(), odd = even;
        for (int k = 0; k < config.bytes[a] / 4; k++) {
            const __m512i x = _mm512_set1_epi32((int)tile[a][m][k]);
            const __m512i y = _mm512_loadu_si512(tile[b][k]);
            even = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(x, 16)),
                                   _mm512_castsi512_ps(_mm512_slli_epi32(y, 16)), even);
            odd = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(x, odd_half)),
                                  _mm512_castsi512_ps(_mm512_and_si512(y, odd_half)), odd);
        }
        const __m512 sum = _mm512_add_ps(_mm512_loadu_ps(tile[c][m]), _mm512_add_ps(even, odd));
        _mm512_storeu_ps(tile[c][m], _mm512_maskz_mov_ps(columns, sum));
    }
    _mm_setcsr(mode);
}

__attribute__((target("avx512f"))) static inline __m512i byte_of(__m512i x, int which,
                                                                 bool is_signed) {
    const __m128i up = _mm_cvtsi32_si128(24 - 8 * which), down = _mm_cvtsi32_si128(24);
    x = _mm512_sll_epi32(x, up);
    return is_signed ? _mm512_sra_epi32(x, down) : _mm512_srl_epi32(x, down);
}

/* Products of bytes, four to a sum; sums wrap. */
__attribute__((target("avx512f"))) static void multiply_bytes(int c, int a, int b, bool a_signed,
                                                              bool b_signed) {
    for (int m = 0; m < config.rows[c]; m++) {
        __m512i sum = _mm512_loadu_si512(tile[c][m]);
        for (int k = 0; k < config.bytes[a] / 4; k++) {
            const __m512i x = _mm512_set1_epi32((int)tile[a][m][k]);
            const __m512i y = _mm512_loadu_si512(tile[b][k]);
            for (int i = 0; i < 4; i++)
                sum = _mm512_add_epi32(
                    sum, _mm512_mullo_epi32(byte_of(x, i, a_signed), byte_of(y, i, b_signed)));
        }
        _mm512_storeu_si512(tile[c][m], sum);
    }
}

static const char unknown[] = ""; /* not a tile instruction */

static const char *multiply(const instruction *i) {
    /* The operands: destination reg, rows rm, columns vvvv. */
    const char *wrong = not_a_product(i->reg, i->rm, i->vvvv);
    if (wrong) return wrong;
    if (i->op == OP_MULTIPLY_BF16)
        multiply_bf16(i->reg, i->rm, i->vvvv);
    else
        multiply_bytes(i->reg, i->rm, i->vvvv, i->prefix == PREFIX_F2 || i->prefix == PREFIX_F3,
                       i->prefix == PREFIX_F2 || i->prefix == PREFIX_66);
    return NULL;
}

static const char *execute(const instruction *i) {
    if (i->op == OP_MULTIPLY_BYTES || i->op == OP_MULTIPLY_BF16) {
        if (i->memory || (i->op == OP_MULTIPLY_BF16 && i->prefix != PREFIX_F3)) return unknown;
        return multiply(i);
    }
    if (i->vvvv) return unknown; /* stored inverted: an unused one is all ones */
    if (i->op == OP_MOVE) {
        if (!i->memory || !i->sib || i->prefix == PREFIX_NONE) return unknown;
        return i->prefix == PREFIX_F3 ? store(i) : load(i);
    }
    if (i->memory) return i->prefix == PREFIX_NONE && !i->reg ? configure(i) : unknown;
    if (i->rm) return unknown;
    if (i->prefix == PREFIX_NONE && !i->reg) { /* tilerelease */
        config = (configuration){0};
        return NULL;
    }
    if (i->prefix != PREFIX_F2) return unknown;
    const char *wrong = unusable(i->reg);
    if (!wrong) memset(tile[i->reg], 0, sizeof tile[i->reg]); /* tilezero */
    return wrong;
}

/* --------------------------------------------------- the signal */

static struct sigaction before;

static void handle(int signal_number, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    instruction i;
    const char *wrong = unknown;
    if (info->si_code > 0 && decode(&i, u)) wrong = execute(&i);
    if (!wrong) {
        /* Those that follow at once save a signal each; what is wrong with one gets its own. */
        do u->uc_mcontext.gregs[REG_RIP] += i.length;
        while (decode(&i, u) && !execute(&i));
        return;
    }
    if (wrong != unknown)
        dprintf(STDERR_FILENO, "tile instruction at %p: %s\n", info->si_addr, wrong);
    /* The same instruction again, or the same signal, this time to whom it would have gone. */
    sigaction(signal_number, &before, NULL);
    if (info->si_code <= 0) raise(signal_number);
}

void tiles_emulate(void) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO}, present;
    sigemptyset(&action.sa_mask);
    sigaction(SIGILL, NULL, &present);
    if ((present.sa_flags & SA_SIGINFO) && present.sa_sigaction == handle) return;
    before = present;
    sigaction(SIGILL, &action, NULL);
}

bool tiles_are_configured(void) {
    return config.palette;
}

bool tiles_can_be_emulated(void) {
    unsigned a, b, c, d;
    const bool tiles = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 1);
    return !tiles && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bf16");
}
#else
bool tiles_can_be_emulated(void) {
    return false;
}
void tiles_emulate(void) {}
bool tiles_are_configured(void) {
    return false;
}
#endif
