"""The within projection: matrices without their fixed effects."""
from __future__ import annotations

from typing import Any

from . import _core
from ._layers import _numpy, _unmasked
from ._table import codes_of

Array = Any


def _is_one(factors: Any) -> bool:
    """Whether it is one vector of labels, not a list of them."""
    if isinstance(factors, (list, tuple)):
        return len(factors) > 0 and (isinstance(factors[0], (str, bytes)) or not hasattr(factors[0], "__len__"))
    return getattr(factors, "ndim", 0) == 1


def _listed(factors: Any) -> list:
    """The factors one by one: of a list, a mapping or a DataFrame, or the columns of a matrix."""
    if _is_one(factors):
        return [factors]
    if hasattr(factors, "items"):
        return [values for _, values in factors.items()]
    return list(factors) if isinstance(factors, (list, tuple)) else list(_numpy().asarray(factors).T)


def _vector(values: Any, name: str) -> Array:
    """Of a Series, too, which lends no memory."""
    return values if values is None else _numpy().asarray(_unmasked(values, name))


def demean(x: Array, factors: Any, weights: Array = None, tol: float | None = None, out: Array = None, *,
           slopes: Any = None, threads: int | None = None) -> Array:
    """Q x: what is left of each column after its weighted least-squares fit on the dummies of the factors::

        Qx = x - D (D'WD)^- D'W x        D: a column a level, times the factor's slope where it has one

    Factors with the same labels are exact; of others the normal equations hold to the tolerance in each column,
    |D'W y| <= tol |y|. A column with a value that is not finite becomes NaN, and no other changes.

    x: N x p or N, float64, either layout, without a copy. factors: labels of the rows (N; whole numbers, text,
    categories, dates), or a list of several; a dict or DataFrame of them. weights: N, >= 0. slopes: for each factor in
    a list N values or None (for one factor an array): an effect of the level times the slope, `g[x]` of formulas, in
    place of a constant. tol: from 1e-14 up; None for 1e-12. out may be x. Returns an array as x, or a DataFrame or
    Series for one.

    >>> import numpy as np, bnorm
    >>> firm, year = ["a", "a", "b", "b"], [1, 2, 1, 2]
    >>> bnorm.demean(np.array([1., 3., 5., 9.]), firm)
    array([-1.,  1., -2.,  2.])
    >>> bnorm.demean(np.array([1., 3., 5., 9.]), [firm, year])
    array([ 0.5, -0.5, -0.5,  0.5])

    Raises ValueError for missing labels, lengths that differ, negative weights, slopes that are not finite, and where
    tol is not reached; TypeError for other types than float64.
    """
    listed = _listed(factors)
    if slopes is None:
        slopes = [None] * len(listed)
    elif not isinstance(slopes, (list, tuple)):
        slopes = [slopes]
    if len(slopes) != len(listed):
        raise ValueError(f"slopes: expected one entry a factor, {len(listed)}, got {len(slopes)}")
    coded = [(*codes_of(labels, "factors"), _vector(slope, "slopes")) for labels, slope in zip(listed, slopes)]
    table = x if hasattr(x, "to_numpy") else None
    y = _core.demean(x if table is None else table.to_numpy(), coded, _vector(weights, "weights"), tol, out,
                     threads)[0]
    if table is None or out is not None:
        return y
    names = {"columns": table.columns} if hasattr(table, "columns") else {"name": table.name}
    return type(table)(y, index=table.index, **names)
