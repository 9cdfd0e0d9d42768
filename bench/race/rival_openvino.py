"""OpenVINO: f32, bf16 by its precision hint, int8 as nncf.quantize made it."""
import openvino

import rival


class Rival(rival.Base):
    def __init__(self, model, precision, threads):
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise RuntimeError("OpenVINO has no bf16 on this machine")
        path = rival.exported(model, "openvino-int8.xml" if precision == "int8" else "openvino.xml")
        self.request = core.compile_model(path, "CPU", {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
        self.names = [i.get_any_name() for i in self.request.model_inputs]

    def prepare(self, ids, mask):
        values = {"input_ids": ids, "attention_mask": rival.ones(ids) if mask is None else mask,
                  "token_type_ids": 0 * ids}
        return {name: values[name] for name in self.names}

    def run(self, inputs):
        return self.request.infer(inputs, share_inputs=True, share_outputs=True)[0]
