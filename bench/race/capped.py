"""BERT-base 8x128 in float32 with the instruction set capped, for us and for those rivals that can be told to."""
import throughput

SHAPE, MODEL = "8x128", "bert-base"
CAPS = {
    "avx512": {"BERT_ISA": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512",
               "ATEN_CPU_CAPABILITY": "avx512", "CT2_FORCE_CPU_ISA": "AVX512"},
    "avx2": {"BERT_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
             "ATEN_CPU_CAPABILITY": "avx2", "CT2_FORCE_CPU_ISA": "AVX2"},
}
KINDS = {"ours", "torch", "openvino", "ctranslate2"}  # ONNX Runtime cannot be capped


def run(context):
    out = []
    for cap, env in CAPS.items():
        context.say(f"capped at {cap}")
        cells = throughput.race(context, MODEL, [SHAPE], ["f32"], env, lambda engine: engine.kind in KINDS)
        out += [{"cap": cap, **cell} for cell in cells]
    return out


def tables(results):
    for c in results:
        yield throughput.table(c["rows"], f"Capped at {c['cap']}: {c['model']}, {c['shape']}")
