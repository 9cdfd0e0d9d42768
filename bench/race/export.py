"""Makes the models of the race and what each rival loads of them; each appears whole, once, and is kept.

    export.py model NAME DIRECTORY         a BERT of that shape with seeded random weights
    export.py KIND MODEL                   KIND: one of EXPORTS below, into MODEL/race/
    export.py reference MODEL IDS BATCH SEQ OUT   last_hidden_state in float64, by transformers
"""
import math
import os
import shutil
import sys

import families
import rival
from models import PIXELS, reads_pictures

rival.quiet()

SHAPES = {"bert-base": {}, "bert-large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
                                          "intermediate_size": 4096}}


def load(model, **more):
    import transformers
    transformers.utils.logging.disable_progress_bar()
    if reads_pictures(model):
        return transformers.ViTModel.from_pretrained(model, add_pooling_layer=False, **more).eval()
    if families.family(model):
        return families.load(model, **more)
    return transformers.BertModel.from_pretrained(model, **more).eval()


def make_pictures(directory):
    """ViT-base-224 with a classifier of 1,000 labels, of which a race of forward passes leaves the classifier out."""
    import json
    import torch
    import transformers
    model = transformers.ViTForImageClassification(transformers.ViTConfig(num_labels=1000)).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.02)
    model.save_pretrained(directory)
    with open(os.path.join(directory, "preprocessor_config.json"), "w") as f:
        json.dump({"image_processor_type": "ViTImageProcessor"}, f)


def make_model(name, directory, tokenizer):
    import torch
    import transformers
    torch.manual_seed(42)
    if reads_pictures(name):
        return make_pictures(directory)
    if name in families.FAMILIES:
        model = families.make(name).eval()
    else:
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
    if reads_pictures(model):
        return onnx_pictures(model, out)
    if families.family(model):
        return families.onnx(model, out)
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


def onnx_pictures(model, out):
    import torch
    m = load(model, attn_implementation="eager")

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.m = m

        def forward(self, pixel_values):
            return self.m(pixel_values=pixel_values).last_hidden_state

    torch.onnx.export(Hidden().eval(), (torch.randn(2, *PIXELS),), out, input_names=["pixel_values"],
                      output_names=["last_hidden_state"], opset_version=17, dynamo=False,
                      dynamic_axes={n: {0: "batch"} for n in ("pixel_values", "last_hidden_state")})


def fused(model, out):
    from onnxruntime.transformers import optimizer
    c = load(model).config
    pictures = reads_pictures(model)
    o = optimizer.optimize_model(rival.exported(model, "plain.onnx"), model_type="vit" if pictures else "bert",
                                 opt_level=0, num_heads=c.num_attention_heads, hidden_size=c.hidden_size)
    if pictures or families.family(model):  # what it fuses of these differs from version to version
        return o.save_model_to_file(out)
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
    if families.family(model):
        return families.openvino(model, out)
    ov.save_model(ov.convert_model(rival.exported(model, "plain.onnx")), out, compress_to_fp16=False)


def openvino_int8(model, out):
    import numpy as np
    if reads_pictures(model):
        pixels = np.fromfile(os.environ["RACE_IDS"], dtype=np.float32).reshape(-1, 1, *PIXELS)
        return quantize_openvino(model, out, [{"pixel_values": p} for p in pixels])
    ids = np.fromfile(os.environ["RACE_IDS"], dtype=np.int32).astype(np.int64)
    # Sentences from the end of the ids, where the race itself does not read.
    rows = [ids[-(i + 1) * 64:][:64][None] for i in range(48)]
    if families.family(model):
        return quantize_openvino(model, out, [{"input_ids": r} for r in rows])
    quantize_openvino(model, out, [{"input_ids": r, "attention_mask": np.ones_like(r), "token_type_ids": 0 * r}
                                   for r in rows])


def quantize_openvino(model, out, data):
    import nncf
    import openvino as ov
    quantized = nncf.quantize(ov.Core().read_model(rival.exported(model, "openvino.xml")), nncf.Dataset(data),
                              subset_size=len(data), model_type=nncf.ModelType.TRANSFORMER)
    ov.save_model(quantized, out, compress_to_fp16=False)


def ctranslate2(model, out):
    import ctranslate2 as ct2
    ct2.converters.TransformersConverter(model).convert(out, quantization="float32")


def gguf(model, out):
    """As llama.cpp's convert_hf_to_gguf.py writes a BERT: the same names and keys."""
    import gguf as format
    import json
    m, q8 = load(model), "q8_0" in out
    c, kind = m.config, format.GGMLQuantizationType
    with open(os.path.join(model, "tokenizer.json"), encoding="utf-8") as f:
        vocabulary = json.load(f)["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    special = [t for t in tokens if t[0] == "[" and t[-1] == "]" and len(t) > 2]
    w = format.GGUFWriter(out, "bert")
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_layer_norm_eps(c.layer_norm_eps)
    w.add_causal_attention(False)
    w.add_pooling_type(format.PoolingType.MEAN if "mean" in out else format.PoolingType.NONE)
    w.add_file_type(format.LlamaFileType.MOSTLY_Q8_0 if q8 else format.LlamaFileType.ALL_F32)
    w.add_tokenizer_model("bert")
    w.add_tokenizer_pre("default")
    w.add_token_type_count(c.type_vocab_size)
    w.add_token_list([t if t in special else t[2:] if t.startswith("##") else "\u2581" + t for t in tokens])
    w.add_token_types([int(format.TokenType.CONTROL if t in special else format.TokenType.NORMAL) for t in tokens])
    for name, add in {"[CLS]": w.add_bos_token_id, "[SEP]": w.add_sep_token_id, "[UNK]": w.add_unk_token_id,
                      "[PAD]": w.add_pad_token_id, "[MASK]": w.add_mask_token_id}.items():
        add(vocabulary[name])
    w.add_eos_token_id(vocabulary["[SEP]"])
    names = {"word_embeddings": "token_embd", "token_type_embeddings": "token_types",
             "position_embeddings": "position_embd", "embeddings.LayerNorm": "token_embd_norm",
             "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
             "attention.output.dense": "attn_output",
             "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up",
             "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
    for key, value in m.state_dict().items():
        name = next((names[n] for n in sorted(names, key=len, reverse=True) if f"{n}." in key), None)
        if name is None or "position_ids" in key or key.startswith("pooler"):
            continue
        data = value.numpy()
        block = f"blk.{key.split('.')[2]}." if key.startswith("encoder.layer.") else ""
        narrow = q8 and data.ndim == 2 and name not in ("position_embd", "token_types")
        data = format.quants.quantize(data, kind.Q8_0) if narrow else data
        w.add_tensor(f"{block}{name}.{key.rsplit('.', 1)[1]}", data, raw_dtype=kind.Q8_0 if narrow else kind.F32)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# what rivals load -> how it is made
EXPORTS = {
    "plain.onnx": onnx,
    "fused.onnx": fused,
    "int8.onnx": int8,
    "openvino.xml": openvino,
    "openvino-int8.xml": openvino_int8,
    "ctranslate2": ctranslate2,
    "f32.gguf": gguf,
    "mean.gguf": gguf,
    "q8_0.gguf": gguf,
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
    if reads_pictures(model):
        pixels = torch.from_numpy(np.fromfile(path, dtype=np.float32).reshape(-1, *PIXELS)[:int(batch)])
        inputs = {"pixel_values": pixels.to(torch.float64)}
    else:
        inputs = {"input_ids": read_ids(path, batch, seq)}
    with torch.inference_mode():
        hidden = load(model, dtype=torch.float64)(**inputs).last_hidden_state
    hidden.numpy().tofile(out + ".part")
    os.rename(out + ".part", out)


def read_ids(path, batch, seq):
    import numpy as np
    import torch
    ids = np.fromfile(path, dtype=np.int32, count=int(batch) * int(seq)).reshape(int(batch), int(seq))
    return torch.from_numpy(ids.astype(np.int64))


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
