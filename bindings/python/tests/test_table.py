"""Columns of tables: what becomes a number and what becomes levels."""
import datetime
import decimal

import numpy as np
import pytest

from bnorm._table import Table, codes_of, column

pd = pytest.importorskip("pandas")


def levels(values):
    """The level of each row, None where it is missing."""
    codes, names = column(values, "c")
    assert codes.dtype == np.int32
    return [None if code < 0 else names[code] for code in codes]


@pytest.mark.parametrize("values, expected", [
    ([1, 2, 3], [1, 2, 3]), ([1, None, 2.5], [1, np.nan, 2.5]), (np.array([True, False]), [1, 0]),
    (np.array([1, 2], np.uint8), [1, 2]), (np.array([1.5], np.float32), [1.5]),
    ([decimal.Decimal("1.5"), None], [1.5, np.nan]), (pd.Series([1, pd.NA, 3], dtype="Int64"), [1, np.nan, 3]),
    (pd.Series([1.5, pd.NA], dtype="Float64"), [1.5, np.nan]), (pd.Series([True, pd.NA], dtype="boolean"), [1, np.nan]),
    (pd.Series([1, None], dtype=object), [1, np.nan]), ([None, None], [np.nan, np.nan]), ([], []),
    (np.array([2**53, -2**53]), [2.0**53, -2.0**53]), (range(3), [0, 1, 2]), (memoryview(np.array([1.0, 2])), [1, 2]),
])
def test_numbers(values, expected):
    got = column(values, "c")
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("values, expected", [
    (["b", "a", None, "b"], ["b", "a", None, "b"]), (np.array(["x", "yy"]), ["x", "yy"]),
    ([1, "a", float("nan")], ["1", "a", None]), (pd.Series(["u", pd.NA], dtype="string"), ["u", None]),
    (pd.Categorical(["v", None, "w"]), ["v", None, "w"]), (pd.Series(pd.Categorical([3, 1, 3])), ["3", "1", "3"]),
    (np.array([2**53 + 1, 2**53]), [str(2**53 + 1), str(2**53)]), (["", "NA"], ["", "NA"]),
    (np.array(["2001-02-03", "NaT"], "M8[D]"), ["2001-02-03", None]),
    ([datetime.date(2001, 2, 3), None], ["2001-02-03", None]),
    (pd.Series(pd.to_datetime(["2001-02-03", None])).dt.date, ["2001-02-03", None]),
    (pd.period_range("2001-01", periods=2, freq="M"), ["2001-01", "2001-02"]),
])
def test_levels(values, expected):
    assert levels(values) == expected


def test_dates_sort_by_time():
    texts = levels(pd.Series(pd.to_datetime(["2001-02-03", "1999-12-31", "2001-02-03 04:05"])))
    assert sorted(texts) == [texts[1], texts[0], texts[2]]


def test_tables():
    frame = pd.DataFrame({"a": [1, 2], 3: ["x", "y"]}, index=pd.MultiIndex.from_tuples([("p", 1), ("q", 2)], names=["id", "a"]))
    table = Table(frame)
    assert list(table.columns) == ["a", "3", "id"] and table.rows == 2 and table.index is frame.index
    assert [name for name, _ in table.select(["a ~ id"])] == ["a", "id"]
    assert [name for name, _ in table.select(["a ~ . | id"])] == ["a", "3", "id"]
    plain = Table({"x": [1.0], "xx": [2.0], "y": [3.0], "z": [1j]})
    assert [name for name, _ in plain.select(["y ~ log(xx)*2.5", None])] == ["xx", "y"]
    assert plain.index is None and plain.series(np.ones(1), None) == 1
    with pytest.raises(TypeError, match="z: expected real"):
        plain.select(["y ~ ."])
    made = Table(frame).series(np.arange(2.0), np.array([1, 0]), "v")
    assert made.name == "v" and list(made.index) == [("q", 2), ("p", 1)]


def test_codes():
    for labels, expected in (([5, 3, 5], [1, 0, 1]), (["b", "a", "b"], [1, 0, 1]), ([0.5, 0.5], [0, 0])):
        codes, count = codes_of(labels, "f")
        assert codes.dtype == np.int32 and count >= max(codes) + 1
        assert [codes[0] == code for code in codes] == [expected[0] == code for code in expected]
    own = np.array([2, 0, 1], np.int32)
    assert np.shares_memory(codes_of(own, "f")[0], own)  # codes already: no copy
    assert codes_of(np.array([10**12, 7]), "f")[1] == 2
