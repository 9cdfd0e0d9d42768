"""BERT-base 8x128 in float32 with the instruction set capped, for us and for those rivals that can be told to."""
import throughput

SHAPE, MODEL = "8x128", "bert-base"
CAPS = {
    "avx512": {"BERT_ISA": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512",
               "ATEN_CPU_CAPABILITY": "avx512", "CT2_FORCE_CPU_ISA": "AVX512"},
    "avx2": {"BERT_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
             "ATEN_CPU_CAPABILITY": "avx2", "CT2_FORCE_CPU_ISA": "AVX2"},
}
# ONNX Runtime cannot be capped; OpenVINO can to AVX-512 only: its float32 products are MLAS's, which heed nothing and use
# 512 bits wherever they are (found by perf under the cap: a third of its time, faster than AVX2 can be)
KINDS = {"avx512": {"ours", "torch", "openvino", "ctranslate2"}, "avx2": {"ours", "torch", "ctranslate2"}}


def run(context):
    out = []
    for cap, env in CAPS.items():
        context.say(f"capped at {cap}")
        cells = throughput.race(context, MODEL, [SHAPE], ["f32"], env, lambda engine: engine.kind in KINDS[cap])
        out += [{"cap": cap, **cell} for cell in cells]
    return out


def tables(results):
    for c in results:
        yield throughput.table(c["rows"], f"Capped at {c['cap']}: {c['model']}, {c['shape']}")
