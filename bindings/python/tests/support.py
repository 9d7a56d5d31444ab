"""What the tests share: matrices of every kind, and the formulas in plain NumPy."""
import numpy as np
from hypothesis import strategies as st


def draw(*shape, seed=0, center=0.0, dtype=np.float64):
    return (np.random.default_rng(seed).normal(size=shape) + center).astype(dtype)


def kinds_of(x):
    """The same values as views of different memory, and whether the library sees them without a copy."""
    rows, cols = x.shape
    wide, tall = np.full((rows, cols + 3), 7.0, x.dtype), np.full((rows + 5, cols), 7.0, x.dtype, order="F")
    twice = np.full((2 * rows, 2 * cols), 7.0, x.dtype)
    shifted = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype) if x.size else np.empty(0, x.dtype)
    wide[:, 1:1 + cols] = x
    tall[2:2 + rows] = x
    twice[::2, ::2] = x
    return {"rows": np.ascontiguousarray(x), "columns": np.asfortranarray(x), "padded rows": wide[:, 1:1 + cols],
            "padded columns": tall[2:2 + rows], "every second": twice[::2, ::2],
            "backwards": x[::-1].copy()[::-1], "both backwards": x[::-1, ::-1].copy()[::-1, ::-1],
            "misaligned": shifted.reshape(x.shape)}


def forward(x, gamma=None, beta=None, weights=None, eps=1e-5, ddof=0):
    """y, mean, var by the two-pass formulas, in long double."""
    x = x.astype(np.longdouble)
    w = np.ones(len(x), x.dtype) if weights is None else weights.astype(x.dtype)
    n = w.sum()
    mean = (w[:, None] * x).sum(0) / n
    var = (w[:, None] * (x - mean) ** 2).sum(0) / (n - ddof)
    scale = var + eps
    zhat = np.where(scale > 0, (x - mean) / np.sqrt(np.where(scale > 0, scale, 1)), 0)
    return zhat * (1 if gamma is None else gamma) + (0 if beta is None else beta), mean, var


def differences(f, x, dy, step=1e-6):
    """The gradient of sum(dy f(x)) in every entry of x by central differences."""
    gradient = np.zeros(x.shape)
    for k in np.ndindex(x.shape):
        high, low = x.copy(), x.copy()
        high[k] += step
        low[k] -= step
        gradient[k] = (dy * (f(high) - f(low))).sum() / (2 * step)
    return gradient


shapes = st.tuples(st.integers(2, 40), st.integers(1, 12))
seeds = st.integers(0, 10**6)
