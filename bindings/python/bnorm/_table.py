"""Columns of any table as the library takes them: numbers, or codes of levels.

A table is a mapping of names to columns (a dict, a DataFrame of pandas) or a NumPy array with named fields.
Columns of numbers become float64; text, categories, dates and whole numbers beyond 2^53 become levels.
pandas is never imported: its objects are known by what they can do.
"""
from __future__ import annotations

import re
from typing import Any, Iterable

from ._layers import _numpy, _unmasked

Array = Any
EXACT = 2**53  # whole numbers up to here are doubles


def _is_missing(cell: Any) -> bool:
    """None, NaN, NaT and pandas.NA, which answers no comparison."""
    if cell is None:
        return True
    try:
        return bool(cell != cell)
    except (TypeError, ValueError):
        return type(cell).__name__ == "NAType"


def _from_categories(values: Any) -> tuple[Array, list[str]] | None:
    """Codes and categories of a pandas Categorical, or of a Series or Index of one; else None."""
    if getattr(getattr(values, "dtype", None), "name", None) != "category":
        return None
    own = getattr(values, "cat", values)
    codes = own.codes
    return _numpy().asarray(codes, dtype=_numpy().int32), [str(c) for c in own.categories]


def _is_number(cell: Any) -> bool:
    import numbers
    return isinstance(cell, numbers.Real) or type(cell).__name__ == "Decimal"


def _coded(cells: list) -> tuple[Array, list[str]]:
    """Codes of a list of anything, by its text; levels in order of appearance, -1 where it is missing."""
    np = _numpy()
    known: dict[str, int] = {}
    codes = np.fromiter((-1 if _is_missing(v) else known.setdefault(str(v), len(known)) for v in cells),
                        np.int32, len(cells))
    return codes, list(known)


def _factorised(values: Array) -> tuple[Array, list[str]]:
    """Codes and texts of an array without missing values."""
    np = _numpy()
    levels, codes = np.unique(values, return_inverse=True)
    return codes.astype(np.int32), [str(v) for v in levels.tolist()]


def _array(values: Any, name: str) -> Array:
    """An array of 1 dimension; a list of text and other things keeps them as they are."""
    np = _numpy()
    array = np.asarray(_unmasked(values, name))
    if array.ndim != 1:
        raise ValueError(f"{name}: expected 1 dimension, got {array.ndim}")
    if array.dtype.kind in "US" and not hasattr(values, "dtype"):
        return np.array(values, dtype=object)
    return array


def column(values: Any, name: str) -> Any:
    """A vector of float64, or (codes, levels)."""
    np = _numpy()
    coded = _from_categories(values)
    if coded is not None:
        return coded
    kind = getattr(values, "dtype", None)
    if kind is not None and not isinstance(kind, np.dtype) and getattr(kind, "kind", "O") in "fiub":
        return values.to_numpy(dtype="float64", na_value=np.nan)  # Int64 and the like of pandas
    values = _array(values, name)
    if values.dtype.kind in "iu" and len(values) and (values.max() > EXACT or values.min() < -EXACT):
        return _factorised(values)
    if values.dtype.kind in "fiub":
        return np.ascontiguousarray(values, dtype=np.float64)
    if values.dtype.kind == "c":
        raise TypeError(f"{name}: expected real numbers or levels, got {values.dtype}")
    if values.dtype.kind in "US":
        return _factorised(values.astype(str))
    if values.dtype.kind in "mM":
        texts = values.astype(str).tolist()
        return _coded([None if missing else text for text, missing in zip(texts, np.isnat(values))])
    cells = values.tolist()
    if all(_is_number(cell) or _is_missing(cell) for cell in cells):
        return np.array([np.nan if _is_missing(cell) else float(cell) for cell in cells], dtype=np.float64)
    return _coded(cells)


def _mentions(text: str, name: str) -> bool:
    """Whether a formula may mean this column."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text) is not None


class Table:
    """A table as given, whose columns are converted when they are asked for."""

    def __init__(self, data: Any, name: str = "data"):
        self.index = None  # of a DataFrame
        fields = getattr(getattr(data, "dtype", None), "names", None)
        if fields:
            _unmasked_fields(data, fields)
            self.columns = {str(field): data[field] for field in fields}
        elif hasattr(data, "items"):
            self.columns = {}
            for key, values in data.items():
                if str(key) in self.columns:
                    raise ValueError(f"{name}: expected names that differ, got {str(key)!r} twice")
                self.columns[str(key)] = values
        else:
            raise TypeError(f"{name}: expected a table (a DataFrame, a dict of columns or an array with named fields), "
                            f"got {type(data).__name__}")
        if hasattr(data, "index") and hasattr(data, "iloc"):
            self._take_index(data.index)
        self.rows = self._count_rows(name)

    def _take_index(self, index: Any) -> None:
        """Names of the levels of an index are columns, too, where no column has them."""
        self.index = index
        for k, key in enumerate(index.names):
            if key is not None and str(key) not in self.columns:
                self.columns[str(key)] = index.get_level_values(k)

    def _count_rows(self, name: str) -> int:
        rows: int | None = None
        for key, values in self.columns.items():
            try:
                count = len(values)
            except TypeError:
                raise TypeError(f"{name}: expected values, one a row, in column {key!r}, "
                                f"got {type(values).__name__}") from None
            if rows is not None and count != rows:
                raise ValueError(f"{name}: expected {rows} values in column {key!r}, got {count}")
            rows = count
        return rows or 0

    def select(self, texts: Iterable[str | None]) -> list[tuple[str, Any]]:
        """The columns whose names occur in the texts (formulas, names); all if one has a '.' for all others."""
        texts = [text for text in texts if text]
        every = any(re.search(r"(?<![\w.])\.(?![\w.])", text) for text in texts)
        return [(key, column(values, key)) for key, values in self.columns.items()
                if every or any(_mentions(text, key) for text in texts)]

    def series(self, values: Array, rows: Array, name: str | None = None) -> Any:
        """Values of some rows: a Series of pandas where the table was one of its DataFrames."""
        if self.index is None:
            return values
        import pandas
        return pandas.Series(values, index=self.index if rows is None else self.index[rows], name=name)


def _unmasked_fields(data: Any, fields: Iterable[str]) -> None:
    for field in fields:
        _unmasked(data[field], field)


def codes_of(labels: Any, name: str) -> tuple[Array, int]:
    """int32 codes from 0 of labels of any kind, and the number of levels. Whole numbers that are codes already are
    taken as they are; missing labels are an error."""
    np = _numpy()
    coded = _from_categories(labels)
    if coded is None:
        coded = _codes_of_array(_array(labels, name))
    codes, levels = coded[0], coded[1] if isinstance(coded[1], int) else len(coded[1])
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise ValueError(f"{name}: expected a label in each row, got a missing one in row {missing[0] + 1}")
    return np.ascontiguousarray(codes), max(levels, 1)


def _codes_of_array(labels: Array) -> tuple[Array, Any]:
    np = _numpy()
    kind = labels.dtype.kind
    if kind in "iub" and len(labels):
        top = int(labels.max())
        if labels.min() >= 0 and top < max(2 * len(labels), 256):
            return labels.astype(np.int32, copy=False), top + 1
    if kind in "OV":
        return _coded_objects(labels)
    levels, codes = np.unique(labels, return_inverse=True)
    codes = codes.astype(np.int32)
    if kind in "fmM":
        codes[np.isnat(labels) if kind in "mM" else np.isnan(labels)] = -1
    return codes, len(levels)


def _coded_objects(labels: Array) -> tuple[Array, int]:
    """Labels that are equal are one level: 1 and "1" are two."""
    np = _numpy()
    known: dict[Any, int] = {}
    codes = np.fromiter((-1 if _is_missing(v) else known.setdefault(v, len(known)) for v in labels.tolist()),
                        np.int32, len(labels))
    return codes, len(known)
