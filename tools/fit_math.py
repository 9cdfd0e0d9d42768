#!/usr/bin/env python3
"""The polynomials of src/cpu/vector.h: minimax fits by Lawson's weights, of relative error where nothing else is said.
usage: fit_math.py        (numpy 2, scipy 1)"""
import numpy as np
from scipy.special import erf, erfcx


def minimax(target, basis, rounds=3000, scale=None):
    """Coefficients c with basis @ c ~ target, the largest |(target - basis @ c) / scale| least; scale: the target."""
    scale = target if scale is None else scale
    rows, target = basis / scale[:, None], target / scale
    weight = np.ones(len(target))
    best, worst = None, np.inf
    for _ in range(rounds):
        root = np.sqrt(weight)[:, None]
        c = np.linalg.lstsq(rows * root, root[:, 0] * target, rcond=None)[0]
        error = np.abs(rows @ c - target)
        if error.max() < worst:
            best, worst = c, error.max()
        weight *= error + 1e-4 * error.max()
        weight /= weight.sum()
    return best, worst


def show(name, coefficients, error):
    print(f"{name}: relative error {error:.1e}")
    for c in coefficients[::-1]:
        print(f"    {np.float32(c):.9g}f,")


def powers(x, exponents):
    return np.stack([x**float(e) for e in exponents], 1)


def main():
    node = np.cos(np.linspace(np.pi, 0, 4001))  # dense at the ends, where errors peak

    r = node * np.log(2) / 2 * 1.01
    r = r[np.abs(r) > 1e-3]  # nearer to zero the differences below cancel
    c, e = minimax((np.expm1(r) - r) / r**2, powers(r, range(5)))
    show("exp: 1 + r + r^2 p(r)", c, e)

    u = 13 * (node + 1) / 2
    for a in (0.3,):
        w = 1 / (1 + a * u)
        c, e = minimax(erfcx(u / np.sqrt(2)) / 2, powers(w, range(9)))
        show(f"normal tail: p(1 / (1 + {a} u)) exp(-u^2 / 2)", c, e)

    # Phi(x) - 1/2 = x / (2 edge) + x (x^2 - edge^2) r(x^2) is 1/2 at the edge; x times its error is gelu's
    edge = 4.4
    x = edge * (node + 1) / 2
    x = x[(x > 1e-3) & (x < edge - 1e-3)]
    target, basis = erf(x / np.sqrt(2)) / 2 - x / (2 * edge), (x * (x * x - edge**2))[:, None] * powers(x * x, range(8))
    r, e = minimax(target, basis, scale=1 / x)
    show("coarse gelu: 1/2 + x p(x^2), absolute", np.append(0, r) - edge**2 * np.append(r, 0) + np.append(1 / (2 * edge), np.zeros(8)), e)

    x = 0.626 * (node + 1) / 2
    x = x[x > 1e-3]
    c, e = minimax((np.tanh(x) - x) / x**3, powers(x * x, range(5)))
    show("tanh: x + x^3 p(x^2)", c, e)


if __name__ == "__main__":
    main()
