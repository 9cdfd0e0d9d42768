"""CTranslate2: float32, bfloat16 where it has that, int8 (weights quantized when loaded)."""
import ctranslate2
import numpy as np

import rival


class Rival(rival.Base):
    def __init__(self, model, precision, threads):
        name = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}[precision]
        supported = ctranslate2.get_supported_compute_types("cpu")
        if name not in supported:
            raise RuntimeError(f"CTranslate2 has no {name} on this machine")
        self.encoder = ctranslate2.Encoder(rival.exported(model, "ctranslate2"), device="cpu", compute_type=name,
                                           inter_threads=1, intra_threads=threads)

    def prepare(self, ids, mask):
        lengths = np.full(len(ids), ids.shape[1]) if mask is None else mask.sum(1)
        return (ctranslate2.StorageView.from_array(ids.astype(np.int32)),
                ctranslate2.StorageView.from_array(lengths.astype(np.int32)))

    def run(self, inputs):
        return self.encoder.forward_batch(*inputs).last_hidden_state

    def numpy(self, result):
        return np.array(result)
