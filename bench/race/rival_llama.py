"""llama.cpp through llama-cpp-python: f32 and q8_0, whole sequences packed into calls of at most 512 tokens."""
import ctypes

import llama_cpp
import numpy as np

import rival

PACKED = 512


class Rival(rival.Base):
    def __init__(self, model, precision, threads):
        path = rival.exported(model, {"f32": "f32.gguf", "int8": "q8_0.gguf"}[precision])
        llama_cpp.llama_backend_init()
        self.silence = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.silence, ctypes.c_void_p(0))
        options = llama_cpp.llama_model_default_params()
        options.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), options)
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = PACKED
        options.n_seq_max = 32
        options.n_threads = options.n_threads_batch = threads
        options.embeddings = True
        options.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        self.context = llama_cpp.llama_init_from_model(self.model, options) if self.model else None
        if not self.context:
            raise RuntimeError("llama.cpp cannot load the model")
        self.hidden = llama_cpp.llama_model_n_embd(self.model)
        self.batch = llama_cpp.llama_batch_init(PACKED, 0, 1)

    def prepare(self, ids, mask):
        """Rows without their padding, packed: [(places of the rows, their ids)], and the shape of the result."""
        lengths = [ids.shape[1]] * len(ids) if mask is None else mask.sum(1).tolist()
        calls = []
        for i, n in enumerate(lengths):
            if not calls or sum(len(r) for _, r in calls[-1]) + n > PACKED or len(calls[-1]) == 32:
                calls.append([])
            calls[-1].append((i, ids[i, :n].tolist()))
        return calls, ids.shape

    def encode(self, rows):
        b, n = self.batch, 0
        for sequence, (_, ids) in enumerate(rows):
            for position, token in enumerate(ids):
                b.token[n], b.pos[n], b.n_seq_id[n], b.logits[n] = token, position, 1, 1
                b.seq_id[n][0] = sequence
                n += 1
        b.n_tokens = n
        if llama_cpp.llama_encode(self.context, b):
            raise RuntimeError("llama_encode failed")
        return np.ctypeslib.as_array(llama_cpp.llama_get_embeddings(self.context), (n, self.hidden))

    def run(self, inputs):
        calls, shape = inputs
        out = np.zeros((*shape, self.hidden), dtype=np.float32)
        for rows in calls:
            hidden, n = self.encode(rows), 0
            for i, ids in rows:
                out[i, :len(ids)] = hidden[n:n + len(ids)]
                n += len(ids)
        return out
