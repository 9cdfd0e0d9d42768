"""Makes the models of the race and what each rival loads of them; each appears whole, once, and is kept.

    export.py model NAME DIRECTORY         a BERT of that shape with seeded random weights
    export.py KIND MODEL                   KIND: one of EXPORTS below, into MODEL/race/
    export.py reference MODEL IDS BATCH SEQ OUT   last_hidden_state in float64, by transformers
"""
import math
import os
import shutil
import sys

import rival

rival.quiet()

SHAPES = {"bert-base": {}, "bert-large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
                                          "intermediate_size": 4096}}


def load(model, **more):
    import transformers
    transformers.utils.logging.disable_progress_bar()
    return transformers.BertModel.from_pretrained(model, **more).eval()


def make_model(name, directory, tokenizer):
    import torch
    import transformers
    torch.manual_seed(42)
    # position_embedding_type: what checkpoints of their time say, and CTranslate2's converter reads.
    config = transformers.BertConfig(**SHAPES[name], position_embedding_type="absolute")
    model = transformers.BertModel(config).eval()
    # Fresh biases are all zero and LayerNorms all one: nothing would notice their being left out.
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.02)
    model.save_pretrained(directory)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(os.path.join(tokenizer, file), directory)


def onnx(model, out):
    """The graph as the exporters of transformers 4 wrote it, which is what ONNX Runtime's fusions look for."""
    import torch
    m = load(model)
    c, e = m.config, m.embeddings

    class Classic(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.m = m

        def forward(self, input_ids, attention_mask, token_type_ids):
            size = c.hidden_size // c.num_attention_heads
            mask = (1.0 - attention_mask.unsqueeze(1).unsqueeze(2).to(torch.float32)) * -10000.0
            x = e.word_embeddings(input_ids) + e.token_type_embeddings(token_type_ids)
            x = e.LayerNorm(x + e.position_embeddings(e.position_ids[:, :input_ids.size(1)]))

            def split(y):
                return y.view(y.size()[:-1] + (c.num_attention_heads, size)).permute(0, 2, 1, 3)

            for layer in m.encoder.layer:
                a, o = layer.attention.self, layer.attention.output
                q, k, v = split(a.query(x)), split(a.key(x)), split(a.value(x))
                scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(size) + mask
                y = torch.matmul(torch.softmax(scores, dim=-1), v).permute(0, 2, 1, 3).contiguous()
                x = o.LayerNorm(o.dense(y.view(y.size()[:-2] + (c.hidden_size,))) + x)
                y = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(x))
                x = layer.output.LayerNorm(layer.output.dense(y) + x)
            return x

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.randint(1000, 20000, (2, 16))
    torch.onnx.export(Classic().eval(), (ids, torch.ones_like(ids), torch.zeros_like(ids)), out, input_names=names,
                      output_names=["last_hidden_state"], opset_version=17, dynamo=False,
                      dynamic_axes={n: {0: "batch", 1: "sequence"} for n in names + ["last_hidden_state"]})


def fused(model, out):
    from onnxruntime.transformers import optimizer
    c = load(model).config
    o = optimizer.optimize_model(rival.exported(model, "plain.onnx"), model_type="bert", opt_level=0,
                                 num_heads=c.num_attention_heads, hidden_size=c.hidden_size)
    found = o.get_fused_operator_statistics()["Attention"]
    if found != c.num_hidden_layers:
        raise RuntimeError(f"the optimizer fused {found} attentions of {c.num_hidden_layers}")
    o.save_model_to_file(out)


def int8(model, out):
    import onnx as format
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(rival.exported(model, "fused.onnx"), out, per_channel=True, weight_type=QuantType.QInt8,
                     extra_options={"DefaultTensorType": format.TensorProto.FLOAT})


def openvino(model, out):
    import openvino as ov
    ov.save_model(ov.convert_model(rival.exported(model, "plain.onnx")), out, compress_to_fp16=False)


def openvino_int8(model, out):
    import nncf
    import numpy as np
    import openvino as ov
    ids = np.fromfile(os.environ["RACE_IDS"], dtype=np.int32).astype(np.int64)
    # Sentences from the end of the ids, where the race itself does not read.
    rows = [ids[-(i + 1) * 64:][:64][None] for i in range(48)]
    data = nncf.Dataset([{"input_ids": r, "attention_mask": np.ones_like(r), "token_type_ids": 0 * r} for r in rows])
    quantized = nncf.quantize(ov.Core().read_model(rival.exported(model, "openvino.xml")), data, subset_size=48,
                              model_type=nncf.ModelType.TRANSFORMER)
    ov.save_model(quantized, out, compress_to_fp16=False)


def ctranslate2(model, out):
    import ctranslate2 as ct2
    ct2.converters.TransformersConverter(model).convert(out, quantization="float32")


# what rivals load -> (how it is made, of what)
EXPORTS = {
    "plain.onnx": onnx,
    "fused.onnx": fused,
    "int8.onnx": int8,
    "openvino.xml": openvino,
    "openvino-int8.xml": openvino_int8,
    "ctranslate2": ctranslate2,
}


def export(name, model):
    folder = os.path.join(model, "race")
    if os.path.exists(os.path.join(folder, name)):
        return
    work = os.path.join(folder, f".making-{name}")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    try:
        EXPORTS[name](model, os.path.join(work, name))
        # What a format keeps beside (openvino's .bin) goes first: the name asked for is what says "whole".
        for made in sorted(os.listdir(work), key=lambda made: made == name):
            os.rename(os.path.join(work, made), os.path.join(folder, made))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def reference(model, path, batch, seq, out):
    import numpy as np
    import torch
    ids = np.fromfile(path, dtype=np.int32, count=int(batch) * int(seq)).reshape(int(batch), int(seq))
    with torch.inference_mode():
        hidden = load(model, dtype=torch.float64)(input_ids=torch.from_numpy(ids.astype(np.int64))).last_hidden_state
    hidden.numpy().tofile(out + ".part")
    os.rename(out + ".part", out)


def main():
    what, *rest = sys.argv[1:]
    if what == "model":
        make_model(*rest)
    elif what == "reference":
        reference(*rest)
    else:
        export(what, *rest)


if __name__ == "__main__":
    main()
