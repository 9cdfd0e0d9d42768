#include "cpu/kernels.h"
#include <pthread.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <stdlib.h>
#include <string.h>

void bert_fill_c(bert_kernels *k);
void bert_fill_avx2(bert_kernels *k);
void bert_fill_avx512(bert_kernels *k);
void bert_fill_avx512vnni(bert_kernels *k);
void bert_fill_avx512bf16(bert_kernels *k);
void bert_fill_amx(bert_kernels *k);
bool bert_has_amx(void);

static bool always(void) {
    return true;
}

#if defined(__x86_64__)
/* The compiler's run-time asks cpuid and, through xgetbv, whether the system saves the registers.
 */
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
/* Leaf 7, subleaf 1: AVX512_BF16 is EAX 5. */
static bool has_bf16(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}
static bool has_vnni(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}
/* Intel's processors multiply bf16 vectors at half the rate of f32 ones (Sapphire Rapids: 214 and
 * 444 GFLOP/s on two cores), AMD's at twice. */
static bool has_fast_bf16(void) {
    return has_vnni() && __builtin_cpu_is("amd") && has_bf16();
}
/* Leaf 7: AMX-BF16 is EDX 22, AMX-TILE EDX 24, AMX-INT8 EDX 25. The compiler's own names for them
 * are too new. */
static bool has_amx(void) {
    unsigned a, b, c, d;
    const unsigned all = 1u << 22 | 1u << 24 | 1u << 25;
    return has_vnni() && has_bf16() && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (d & all) == all && bert_has_amx();
}
#endif

const bert_isa_level bert_isa_levels[] = {
    {"c", always, bert_fill_c},
#if defined(__x86_64__)
    {"avx2", has_avx2, bert_fill_avx2},
    {"avx512", has_avx512, bert_fill_avx512},
    {"avx512vnni", has_vnni, bert_fill_avx512vnni},
    {"avx512bf16", has_fast_bf16, bert_fill_avx512bf16},
    {"amx", has_amx, bert_fill_amx},
#endif
    {0},
};
enum { LEVELS = sizeof bert_isa_levels / sizeof *bert_isa_levels - 1 };

/* The one global: tables for each level this machine has, filled once. */
static struct {
    bert_kernels at[LEVELS];
    int count; /* levels that are available */
    int used;  /* the one in use, by BERT_ISA */
    const char *assumed;
    char list[64];
} table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool usable(const bert_isa_level *l) {
    return l->available() || (table.assumed && !strcmp(table.assumed, l->name));
}

static void fill(void) {
    const char *cap = getenv("BERT_ISA");
    table.used = -1;
    for (const bert_isa_level *l = bert_isa_levels; l->name; l++) {
        if (usable(l)) {
            bert_kernels *k = &table.at[table.count++];
            if (k > table.at) *k = k[-1];
            l->fill(k);
            k->isa = l->name;
            if (k > table.at) strcat(table.list, " ");
            strcat(table.list, l->name);
        }
        if (cap && !strcmp(cap, l->name)) table.used = table.count - 1;
    }
    if (table.used < 0) table.used = table.count - 1;
}

bool bert_cpu_assume(const char *isa) {
    if (table.count) return false;
    table.assumed = isa;
    return true;
}

const bert_kernels *bert_cpu(void) {
    pthread_once(&once, fill);
    return &table.at[table.used];
}

const bert_kernels *bert_cpu_at(const char *isa) {
    pthread_once(&once, fill);
    for (int i = 0; i < table.count; i++)
        if (!strcmp(table.at[i].isa, isa)) return &table.at[i];
    return NULL;
}

const char *bert_isa(void) {
    return bert_cpu()->isa;
}

const char *bert_isa_list(void) {
    bert_cpu();
    return table.list;
}
