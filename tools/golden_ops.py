"""Writes tests/golden_ops.h: what PyTorch computes (float64) for losses, AdamW and two transformer layers.

    python tools/golden_ops.py > tests/golden_ops.h        (torch 2.15.0)

All inputs are fractions of small integers, made by number() here and in the tests, so none need to be stored.
"""
import math
import textwrap
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def number(stream, i):
    """Exact in float32: -1 .. 1 in steps of 1/64, without a pattern."""
    return ((i * 37 + stream * 101 + (i * i) % 61 * 7) % 129 - 64) / 64


def matrix(stream, *shape, scale=1.0, shift=0.0):
    n = math.prod(shape)
    return torch.tensor([number(stream, i) * scale + shift for i in range(n)]).reshape(shape)


def emit(name, values):
    values = torch.as_tensor(values).detach().reshape(-1).tolist()
    text = f"static const double {name}[] = {{" + ", ".join(f"{v:.10g}" for v in values) + "};"
    print(textwrap.fill(text, 100, break_on_hyphens=False))


# The targets of the losses, as in the tests.
LABELS = torch.tensor([3, 0, -100, 4, 1, 1])
WEIGHTS = torch.tensor([1, 0.5, 2, 0.25, 3])


def loss_case(name, loss, logits):
    logits.requires_grad_()
    value = loss(logits)
    value.backward()
    emit(f"golden_{name}", [value.item()])
    emit(f"golden_{name}_grad", logits.grad)


def losses():
    x = lambda: matrix(1, 6, 5, scale=4)
    loss_case("ce", lambda x: F.cross_entropy(x, LABELS), x())
    loss_case("ce_weights", lambda x: F.cross_entropy(x, LABELS, WEIGHTS), x())
    loss_case("ce_smoothing", lambda x: F.cross_entropy(x, LABELS, WEIGHTS, label_smoothing=0.125), x())
    loss_case("ce_divisor", lambda x: F.cross_entropy(x, LABELS, reduction="sum") / 10, x())
    t = matrix(2, 6, 5, scale=0.5, shift=0.5)
    loss_case("soft_ce", lambda x: F.cross_entropy(x, t), x())
    loss_case("soft_ce_all", lambda x: F.cross_entropy(x, t, WEIGHTS, label_smoothing=0.125), x())
    loss_case("bce", lambda x: F.binary_cross_entropy_with_logits(x, t), x())
    loss_case("mse", lambda x: F.mse_loss(x, t), x())


def adamw():
    """20 steps of a weight that decays and a bias that does not, clipped to norm 1.5 (which bites half the time)."""
    w, b = matrix(3, 6, 5).requires_grad_(), matrix(4, 1, 6).requires_grad_()
    groups = [{"params": [w], "weight_decay": 0.125}, {"params": [b], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    norms = []
    for step in range(20):
        size = 0.25 if step % 2 else 1
        w.grad, b.grad = matrix(10 + step, 6, 5, scale=size), matrix(50 + step, 1, 6, scale=size)
        norms.append(torch.nn.utils.clip_grad_norm_([w, b], 1.5))
        for g in optimizer.param_groups:
            g["lr"] = 0.01 * (20 - step) / 20
        optimizer.step()
    emit("golden_adamw_norms", norms)
    emit("golden_adamw_weight", w)
    emit("golden_adamw_bias", b)


H, HEADS, INNER, LAYERS = 12, 3, 20, 2
START = [0, 5, 8, 15]


def block():
    """Two post-norm encoder layers over packed sequences, mean of each, a classifier and its loss."""
    parameters = []

    def new(*shape, scale=0.5, shift=0.0):
        p = matrix(100 + len(parameters), *shape, scale=scale, shift=shift).requires_grad_()
        parameters.append(p)
        return p

    def linear(n_in, n_out):
        w, b = new(n_out, n_in), new(1, n_out)
        return lambda x: x @ w.T + b

    def norm():
        w, b = new(1, H, scale=0.25, shift=1.0), new(1, H)
        return lambda x: F.layer_norm(x, (H,), w[0], b[0], 1e-12)

    def attend(q, k, v):
        out = []
        for s, e in zip(START, START[1:]):
            qs, ks, vs = (z[s:e].reshape(e - s, HEADS, -1).transpose(0, 1) for z in (q, k, v))
            p = torch.softmax(qs @ ks.transpose(1, 2) / math.sqrt(H // HEADS), -1)
            out.append((p @ vs).transpose(0, 1).reshape(e - s, H))
        return torch.cat(out)

    x = x0 = matrix(90, START[-1], H).requires_grad_()
    for _ in range(LAYERS):
        q, k, v = linear(H, H), linear(H, H), linear(H, H)
        dense, first, up, down, second = linear(H, H), norm(), linear(H, INNER), linear(INNER, H), norm()
        x = first(dense(attend(q(x), k(x), v(x))) + x)
        x = second(down(F.gelu(up(x))) + x)
    emit("golden_block_hidden", x)
    pooled = torch.stack([x[s:e].mean(0) for s, e in zip(START, START[1:])])
    loss = F.cross_entropy(linear(H, 4)(pooled), torch.tensor([2, 0, 3]))
    loss.backward()
    emit("golden_block_loss", [loss.item()])
    emit("golden_block_input_grad", x0.grad)
    emit("golden_block_grads", torch.cat([p.grad.reshape(-1) for p in parameters]))


print("/* Written by tools/golden_ops.py with torch " + torch.__version__.split("+")[0] + "; not to be edited. */")
print("/* clang-format off */")
losses()
adamw()
block()
