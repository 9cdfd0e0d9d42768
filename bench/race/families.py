"""Encoders beside BERT: shapes of published models with random weights, and what rivals load of them. The graphs take
ids alone: nothing is padded, and no engine has to add a mask of zeros."""
import dataclasses
import os

WORDS = 30528  # of vocabularies that are larger as published: a table of words costs a file and no time


@dataclasses.dataclass(frozen=True)
class Family:
    prefix: str  # of transformers' classes
    shapes: tuple
    config: dict


FAMILIES = {
    "mpnet-base": Family("MPNet", ("8x128", "1x512"), dict(
        vocab_size=30527, max_position_embeddings=514, layer_norm_eps=1e-5)),
    "xlm-roberta-base": Family("XLMRoberta", ("8x128", "1x512"), dict(
        vocab_size=WORDS, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1)),
    "deberta-v3-base": Family("DebertaV2", ("8x128", "1x512"), dict(
        vocab_size=WORDS, relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True,
        pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0, layer_norm_eps=1e-7,
        hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)),
    "modernbert-base": Family("ModernBert", ("1x512", "1x2048", "1x8192"), {}),
}


def family(model):
    """The row of a model's directory or name, or None."""
    return FAMILIES.get(os.path.basename(os.path.normpath(model)))


def make(name):
    """A model with weights from a seeded generator; the caller sets the seed."""
    import transformers
    row = FAMILIES[name]
    return getattr(transformers, row.prefix + "Model")(getattr(transformers, row.prefix + "Config")(**row.config))


def load(model, **more):
    import transformers
    return getattr(transformers, family(model).prefix + "Model").from_pretrained(model, **more).eval()


def hidden(model, **more):
    """ids -> last_hidden_state, as a module that can be traced for any batch and length."""
    import torch
    m = load(model, **more)

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.m = m

        def mask(self, ids):
            """ModernBERT's, which transformers makes by functions that are not traced."""
            i = torch.arange(ids.size(1))
            far = (i[:, None] - i[None, :]).abs() > m.config.local_attention // 2
            local = torch.zeros(far.shape).masked_fill(far, torch.finfo(torch.float32).min)[None, None]
            return {"full_attention": None, "sliding_attention": local}

        def forward(self, input_ids):
            given = {"attention_mask": self.mask(input_ids)} if hasattr(m.config, "local_attention") else {}
            return self.m(input_ids=input_ids, **given).last_hidden_state

    return Hidden().eval()


def example():
    import torch
    return torch.randint(1000, 20000, (2, 48))


def onnx(model, out):
    import torch
    torch.onnx.export(hidden(model, attn_implementation="eager"), (example(),), out, input_names=["input_ids"],
                      output_names=["last_hidden_state"], opset_version=17, dynamo=False,
                      dynamic_axes={n: {0: "batch", 1: "sequence"} for n in ("input_ids", "last_hidden_state")})


def openvino(model, out):
    """From PyTorch, as optimum-intel does it: fused attention stays an operation of its own."""
    import openvino as ov
    from transformers import MPNetModel
    m = load(model)
    kind = {} if isinstance(m, MPNetModel) or not m._supports_sdpa else {"attn_implementation": "sdpa"}
    converted = ov.convert_model(hidden(model, **kind), example_input=example(), input=[("input_ids", [-1, -1])])
    converted.inputs[0].get_tensor().set_names({"input_ids"})
    ov.save_model(converted, out, compress_to_fp16=False)


def flops(config, batch, seq):
    """Multiplications and additions of ModernBERT's matrix products: gates, and windows in two layers of three."""
    h, f = config["hidden_size"], config["intermediate_size"]
    near = min(seq, config["local_attention"] + 1)
    seen = sum(seq if kind == "full_attention" else near for kind in config["layer_types"])
    return batch * seq * (config["num_hidden_layers"] * (8 * h * h + 6 * h * f) + 4 * h * seen)
