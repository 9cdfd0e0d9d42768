/* AVX-512 VNNI: four products of bytes a lane in one instruction. */
#define ISA "avx512vnni"
#define LANES 16
#define INT8_ROWS 14
#define INT8_DOT(s, a, b) (vi) _mm512_dpbusd_epi32((__m512i)(s), (__m512i)(a), (__m512i)(b))
#include "cpu/gemm_int8.h"

void bert_fill_avx512vnni(bert_kernels *k);

void bert_fill_avx512vnni(bert_kernels *k) {
    k->gemm[BERT_PRECISION_INT8] = &gemm_int8;
}
