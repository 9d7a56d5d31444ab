"""Running statistics, for inference."""
from __future__ import annotations

import copy
import math
import threading
from typing import Any, Literal

from . import _core
from ._matrix import Array, Moments, Stats, _check_stats

_KINDS = {"average": 1, "merge": 2}


class RunningStats:
    """Running statistics of p columns, for inference.

    update: the weight of the new batch, in (0, 1]: ``s += update (batch - s)``; or "average", the
    mean of the batches' statistics with equal weights (the paper's); or "merge", exact pooling: the
    statistics of all rows seen. unbiased: the variance of a batch is m2/(n - 1), else m2/n. mean,
    var: what it starts from, a number or p values ("average" and "merge" show it until the first
    batch only; "merge" and unbiased the variance until there are two rows).

    >>> import numpy as np
    >>> from bnorm import forward
    >>> running = RunningStats(1, update="merge", unbiased=False)
    >>> for batch in (np.array([[1.], [3.]]), np.array([[5.], [7.]])):
    ...     y, stats = forward(batch)
    ...     running.update(stats)
    >>> running.mean, running.var
    (array([4.]), array([5.]))

    A batch that is not finite is refused with ValueError, and nothing changes.
    """

    def __init__(self, p: int, update: float | Literal["average", "merge"] = 0.1, unbiased: bool = True,
                 mean: Any = 0, var: Any = 1):
        if isinstance(update, str):
            if update not in _KINDS:
                raise ValueError(f'update: expected a number, "average" or "merge", got {update!r}')
            self._kind, self._update = _KINDS[update], 0.0
        else:
            if not hasattr(update, "__float__") and not hasattr(update, "__index__"):
                raise TypeError(f'update: expected a number, "average" or "merge", got {update!r}')
            self._kind, self._update = 0, float(update)
            if not 0 < self._update <= 1:
                raise ValueError(f"update: expected a number above 0 and at most 1, got {update!r}")
        if isinstance(p, bool) or not hasattr(p, "__index__"):
            raise TypeError(f"p: expected an int, got {p!r}")
        if p < 0:
            raise ValueError(f"p: expected at least 0, got {p!r}")
        self._ddof, self._count, self._p = float(bool(unbiased)), 0.0, p.__index__()
        self._lock = threading.RLock()  # an update changes several values, which belong together
        self._mean, self._var = self._start(mean, "mean"), self._start(var, "var")
        if any(not v >= 0 for v in self._var):
            raise ValueError(f"var: expected values of at least 0, got {var!r}")
        self._m2 = self._zeros() if update == "merge" else None

    def _zeros(self) -> Array:
        return _core.moments(_NoRows(self._p), None)[1]

    def _start(self, value: Any, name: str) -> Array:
        vector = self._zeros()
        values = list(value) if hasattr(value, "__len__") else [value] * self._p
        if len(values) != self._p:
            raise ValueError(f"{name}: expected a number or {self._p} values, got {len(values)}")
        for k, v in enumerate(values):
            if hasattr(v, "__len__") or not (hasattr(v, "__float__") or hasattr(v, "__index__")):
                raise TypeError(f"{name}: expected a number or {self._p} numbers, got {value!r}")
            vector[k] = v
            if not math.isfinite(vector[k]):
                raise ValueError(f"{name}: expected finite numbers, got {value!r}")
        return vector

    def update(self, stats: Stats | Moments) -> None:
        """Takes the statistics of one batch, from `forward` or `moments`, into the running ones."""
        if isinstance(stats, Moments):
            n, mean, m2 = stats
        else:
            _check_stats(stats)
            n, mean, m2 = stats.n, stats.mean, stats.m2
            if m2 is None:
                m2 = stats.var * (n - stats.ddof)
        if len(mean) != self._p:
            raise ValueError(f"stats: expected those of {self._p} columns, got {len(mean)}")
        with self._lock:
            self._count = _core.running(self._kind, self._update, self._ddof, self._count, self._mean, self._var,
                                        self._m2, n, mean, m2)[0]

    def _copy(self, vector: Array) -> Array:
        with self._lock:
            return vector[:] if not hasattr(vector, "copy") else vector.copy()

    @property
    def mean(self) -> Array:
        """The running means: a copy."""
        return self._copy(self._mean)

    @property
    def var(self) -> Array:
        """The running variances: a copy."""
        return self._copy(self._var)

    def __getstate__(self) -> dict:
        with self._lock:
            return copy.deepcopy({key: value for key, value in self.__dict__.items() if key != "_lock"})

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    def __repr__(self) -> str:
        update = self._update or {v: k for k, v in _KINDS.items()}[self._kind]
        return f"RunningStats({self._p}, update={update!r}, unbiased={bool(self._ddof)}, mean={self._mean!r}, " \
               f"var={self._var!r})"


class _NoRows:
    """A matrix without rows, for vectors of zeros also where there is no NumPy."""

    def __init__(self, p: int):
        self.__array_interface__ = {"shape": (0, p), "typestr": "=f8", "data": (0, True), "version": 3}
