"""ONNX Runtime on the graph that its own transformer optimizer fused; int8: quantize_dynamic of that, per channel."""
import onnxruntime

import rival


class Rival(rival.Base):
    def __init__(self, model, precision, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        path = rival.exported(model, {"f32": "fused.onnx", "int8": "int8.onnx"}[precision])
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [(i.name, i.type) for i in self.session.get_inputs()]

    def prepare(self, ids, mask):
        values = {"input_ids": ids, "attention_mask": rival.ones(ids) if mask is None else mask,
                  "token_type_ids": 0 * ids}
        return {name: values[name].astype("int32" if "int32" in kind else "int64") for name, kind in self.names}

    def run(self, inputs):
        return self.session.run(None, inputs)[0]
