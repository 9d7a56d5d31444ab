"""An unbalanced, unsorted panel of known truth for the tests, and least squares on its dummies."""
import numpy as np


def make(units=40, periods=9, seed=3):
    """Columns of a dict: about four fifths of the unit-periods, in no order."""
    rng = np.random.default_rng(seed)
    firm, year = np.repeat(np.arange(units), periods), np.tile(np.arange(2001, 2001 + periods), units)
    keep = rng.permutation(np.flatnonzero(rng.random(units * periods) < 0.8))
    firm, year = firm[keep], year[keep]
    n = len(keep)
    x1, x2, z1, z2 = rng.normal(size=(4, n))
    x1 += 0.5 * firm / units
    noise = rng.normal(size=n) * (1 + 0.5 * np.abs(x1)) + 0.4 * rng.normal(size=units)[firm] * x1
    return {"y": 0.7 * x1 - 0.4 * x2 + np.tanh(1.5 * z1) * z2 + rng.normal(size=units)[firm] + 0.1 * (year - 2001)
            + 0.3 * noise, "x1": x1, "x2": x2, "z1": z1, "z2": z2, "firm": 3 * firm + 11, "year": year,
            "kind": np.array(["low", "mid", "high"])[rng.integers(0, 3, n)], "w": rng.uniform(0.5, 2, n)}


def dummies(*factors):
    return np.hstack([(labels[:, None] == np.unique(labels)).astype(float) for labels in factors])


def independent(columns):
    """As many of the columns, from the left, as are independent."""
    kept = []
    rank = 0
    for k in range(columns.shape[1]):
        now = np.linalg.matrix_rank(columns[:, kept + [k]])
        if now > rank:
            rank = now
            kept.append(k)
    return columns[:, kept]
