"""What a rival is: it takes ids [batch, seq] and gives last_hidden_state [batch, seq, hidden]."""
import os
import sys


class Base:
    """Rivals whose result is a NumPy array."""

    def numpy(self, result):
        return result

    def prepare_pixels(self, pixels):
        return {"pixel_values": pixels}

    def pool(self, result, mask):
        """Mean over the tokens that are not padding: [batch, hidden]."""
        import numpy as np
        weights = mask[:, :, None].astype(np.float32)
        hidden = np.asarray(self.numpy(result), dtype=np.float32)
        return (hidden * weights).sum(1) / weights.sum(1)


def exported(model, name):
    """A file or directory that export.py made of a model."""
    path = os.path.join(model, "race", name)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{name} was not exported")
    return path


def ones(array):
    import numpy as np
    return np.ones_like(array)


def quiet():
    """Nothing on standard error that is of no use there."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if not sys.warnoptions:
        import warnings
        warnings.simplefilter("ignore")
