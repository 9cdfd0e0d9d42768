"""PyTorch with transformers, float32 or bfloat16 weights; scaled_dot_product_attention."""
import families
import rival
from models import reads_pictures

rival.quiet()
import torch  # noqa: E402
import transformers  # noqa: E402


class Rival(rival.Base):
    def __init__(self, model, precision, threads):
        torch.set_num_threads(threads)
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
        transformers.utils.logging.disable_progress_bar()
        kind = transformers.ViTModel if reads_pictures(model) else transformers.BertModel
        self.model = (families.load(model, dtype=dtype) if families.family(model) else
                      kind.from_pretrained(model, dtype=dtype, add_pooling_layer=False).eval())

    def prepare_pixels(self, pixels):
        return {"pixel_values": torch.from_numpy(pixels).to(self.model.dtype)}

    def prepare(self, ids, mask):
        inputs = {"input_ids": torch.from_numpy(ids)}
        if mask is not None:
            inputs["attention_mask"] = torch.from_numpy(mask)
        return inputs

    @torch.inference_mode()
    def run(self, inputs):
        return self.model(**inputs).last_hidden_state

    def numpy(self, result):
        return result.float().numpy()

    @torch.inference_mode()
    def pool(self, result, mask):
        weights = torch.from_numpy(mask)[:, :, None].to(torch.float32)
        return ((result.float() * weights).sum(1) / weights.sum(1)).numpy()
