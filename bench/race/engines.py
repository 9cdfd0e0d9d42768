"""Who races: one row an engine."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Engine:
    name: str          # as the tables say it
    group: str         # f32, bf16 or int8: who is compared with whom
    kind: str          # "ours", or the rival of rival_<kind>.py
    precision: str     # as that worker calls it
    package: str = ""  # whose version is printed
    needs: tuple = ()  # what export.py makes of the model first, in order

    @property
    def ours(self):
        return self.kind == "ours"


ORT, OV, CT2, LLAMA = ("onnxruntime",) * 2, ("openvino",) * 2, ("ctranslate2",) * 2, ("llama", "llama_cpp_python")
ENGINES = [
    Engine("bert highest", "f32", "ours", "highest"),
    Engine("bert high", "f32", "ours", "high"),
    Engine("PyTorch f32", "f32", "torch", "f32", "torch"),
    Engine("ONNX Runtime f32", "f32", ORT[0], "f32", ORT[1], ("plain.onnx", "fused.onnx")),
    Engine("OpenVINO f32", "f32", OV[0], "f32", OV[1], ("plain.onnx", "openvino.xml")),
    Engine("CTranslate2 f32", "f32", CT2[0], "f32", CT2[1], ("ctranslate2",)),
    Engine("llama.cpp f32", "f32", LLAMA[0], "f32", LLAMA[1], ("f32.gguf",)),
    Engine("bert medium", "bf16", "ours", "medium"),
    Engine("PyTorch bf16", "bf16", "torch", "bf16", "torch"),
    Engine("OpenVINO bf16", "bf16", OV[0], "bf16", OV[1], ("plain.onnx", "openvino.xml")),
    Engine("CTranslate2 bf16", "bf16", CT2[0], "bf16", CT2[1], ("ctranslate2",)),
    Engine("bert int8", "int8", "ours", "int8"),
    Engine("ONNX Runtime int8", "int8", ORT[0], "int8", ORT[1], ("plain.onnx", "fused.onnx", "int8.onnx")),
    Engine("OpenVINO int8", "int8", OV[0], "int8", OV[1], ("plain.onnx", "openvino.xml", "openvino-int8.xml")),
    Engine("CTranslate2 int8", "int8", CT2[0], "int8", CT2[1], ("ctranslate2",)),
    Engine("llama.cpp q8_0", "int8", LLAMA[0], "int8", LLAMA[1], ("q8_0.gguf",)),
]
GROUPS = ["f32", "bf16", "int8"]

# The cosine with float64 (mean over tokens) below which an engine computes something else: it is shown, not counted.
AGREES = {"f32": 0.99999, "bf16": 0.995, "int8": 0.95}


def of_group(group):
    return [e for e in ENGINES if e.group == group]
