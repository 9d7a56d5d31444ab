"""The within projection: what it leaves, of any memory and any labels, beside least squares on dummies."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnorm
from support import draw, kinds_of

pd = pytest.importorskip("pandas")

N = 60
rng = np.random.default_rng(5)
firm, year, town = rng.integers(0, 9, N), rng.integers(0, 6, N), rng.integers(0, 4, N)
x = draw(N, 5)
weights = rng.uniform(0.5, 3, N)
slope = rng.normal(size=N)


def dummies(*factors):
    """The columns of all levels; a factor is labels, or (labels, slope)."""
    parts = []
    for factor in factors:
        labels, times = factor if isinstance(factor, tuple) else (factor, np.ones(len(factor)))
        parts.append((labels[:, None] == np.unique(labels)) * times[:, None])
    return np.hstack(parts).astype(float)


def residuals(d, x, w=None):
    """x less its least-squares fit on the columns of d."""
    root = np.ones(len(x)) if w is None else np.sqrt(w)
    left, s, _ = np.linalg.svd(d * root[:, None], full_matrices=False)
    left = left[:, s > 1e-10 * s[0]]
    z = (x.T * root).T
    return ((z - left @ (left.T @ z)).T / root).T


@pytest.mark.parametrize("w", [None, weights])
@pytest.mark.parametrize("factors", [[firm], [firm, year], [firm, year, town]])
def test_least_squares_on_dummies(factors, w):
    np.testing.assert_allclose(bnorm.demean(x, factors, w), residuals(dummies(*factors), x, w), atol=1e-11)
    np.testing.assert_allclose(bnorm.demean(x[:, 0], factors, w), residuals(dummies(*factors), x[:, 0], w), atol=1e-11)


def test_slopes():
    expected = residuals(dummies(firm, (firm, slope), year), x)
    got = bnorm.demean(x, [firm, firm, year], slopes=[None, slope, None])
    np.testing.assert_allclose(got, expected, atol=1e-10)
    np.testing.assert_allclose(bnorm.demean(x, firm, slopes=slope), residuals(dummies((firm, slope)), x), atol=1e-11)
    np.testing.assert_allclose(bnorm.demean(x, firm, slopes=pd.Series(slope)), residuals(dummies((firm, slope)), x),
                               atol=1e-11)


def test_any_memory_and_any_output():
    expected = bnorm.demean(x, [firm, year])
    for name, view in kinds_of(x).items():
        before = view.copy()
        assert (bnorm.demean(view, [firm, year]) == expected).all(), name
        assert (view == before).all(), name
    for name, view in kinds_of(np.zeros_like(x)).items():
        if name == "misaligned":
            continue
        assert bnorm.demean(x, [firm, year], out=view) is view, name
        assert (view == expected).all(), name
    for name, view in kinds_of(x.copy()).items():
        if name != "misaligned":
            assert (bnorm.demean(view, [firm, year], out=view) == expected).all(), name
    column = x[:, 1].copy()
    assert bnorm.demean(column, [firm, year], out=column) is column
    assert (column == expected[:, 1]).all() and bnorm.demean(x[:, 1], [firm, year]).shape == (N,)
    assert (bnorm.demean(memoryview(x), [firm, year]) == expected).all()


def test_any_labels():
    expected = bnorm.demean(x, [firm, year])
    text = np.array(["a", "b", "cc", "d", "e", "f", "g", "h", "i"])[firm]
    dates = np.datetime64("2001-01-01") + year.astype("timedelta64[D]")
    for factors in ([firm.astype(np.int64) - 5, year], [firm.astype(float) / 7, year], [text, dates],
                    [list(text), year.tolist()], (text.astype(object), year.astype(np.uint8)),
                    [firm.astype(np.int64) * 2**55, year], {"firm": text, "year": year},
                    pd.DataFrame({"firm": text, "year": year}), np.column_stack([firm, year]),
                    [pd.Series(pd.Categorical(text)), pd.Categorical(year)], [pd.Series(text), pd.Index(year)],
                    [text.astype("S2"), year.astype(np.int32)]):
        np.testing.assert_allclose(bnorm.demean(x, factors), expected, atol=1e-12)
    np.testing.assert_allclose(bnorm.demean(x, firm % 2 == 0), residuals(dummies(firm % 2 == 0), x), atol=1e-12)
    mixed = [1, "1", 1, "1"]
    assert (bnorm.demean(np.array([1.0, 5, 3, 9]), np.array(mixed, object)) == [-1, -2, 1, 2]).all()


def test_pandas_in_pandas_out():
    frame = pd.DataFrame(x, columns=list("abcde"), index=[f"r{k}" for k in range(N)])
    made = bnorm.demean(frame, [firm, year], weights=pd.Series(weights))
    assert list(made.columns) == list("abcde") and (made.index == frame.index).all()
    assert (made.to_numpy() == bnorm.demean(x, [firm, year], weights)).all()
    series = bnorm.demean(frame["c"], firm)
    assert series.name == "c" and (series.index == frame.index).all()
    assert (bnorm.demean(frame[["a", "b"]], firm).to_numpy() == bnorm.demean(x[:, :2], firm)).all()


@given(st.integers(1, 80), st.integers(1, 6), st.integers(1, 12), st.integers(1, 8), st.integers(0, 10**6))
def test_laws(rows, cols, a, b, seed):
    """Q Q = Q; what is left is orthogonal to every level; threads change no bit."""
    r = np.random.default_rng(seed)
    z, factors = r.normal(size=(rows, cols)), [r.integers(0, a, rows), r.integers(0, b, rows)]
    w = r.uniform(0.1, 2, rows)
    once = bnorm.demean(z, factors, w)
    assert (bnorm.demean(z, factors, w, threads=3) == once).all()
    np.testing.assert_allclose(bnorm.demean(once, factors, w), once, atol=1e-9)
    for labels in factors:
        sums = np.array([(w[:, None] * once)[labels == level].sum(0) for level in np.unique(labels)])
        np.testing.assert_allclose(sums, 0, atol=1e-9)


def test_no_rows_no_columns_no_values():
    assert bnorm.demean(np.empty((0, 3)), np.empty(0, int)).shape == (0, 3)
    assert bnorm.demean(np.empty((4, 0)), np.zeros(4, int)).shape == (4, 0)
    broken = x.copy()
    broken[3, 1] = np.nan
    made = bnorm.demean(broken, [firm, year])
    assert np.isnan(made[:, 1]).any()
    kept = [0, 2, 3, 4]
    assert (made[:, kept] == bnorm.demean(x, [firm, year])[:, kept]).all()


def locked():
    a = x.copy()
    a.flags.writeable = False
    return a


@pytest.mark.parametrize("error, message, call", [
    (TypeError, "x: expected float64, got float32", lambda: bnorm.demean(x.astype("f4"), firm)),
    (TypeError, "x: .*int64", lambda: bnorm.demean(np.ones((N, 2), int), firm)),
    (TypeError, "x: .*list", lambda: bnorm.demean([1.0, 2.0], [1, 2])),
    (ValueError, "x: expected 1 or 2 dimensions, got 3", lambda: bnorm.demean(np.ones((N, 2, 2)), firm)),
    (ValueError, "factors: expected 60 values, one a row, got 59", lambda: bnorm.demean(x, firm[1:])),
    (ValueError, "factors: expected 1 dimension", lambda: bnorm.demean(x, [np.ones((N, 2), int)])),
    (ValueError, "factor", lambda: bnorm.demean(x, [])),
    (ValueError, "factors: expected at most 10, got 11", lambda: bnorm.demean(x, [firm] * 11)),
    (ValueError, "factors: .*missing one in row 3", lambda: bnorm.demean(np.ones(3), [1.0, 2.0, np.nan])),
    (ValueError, "factors: .*missing one in row 2", lambda: bnorm.demean(np.ones(3), np.array(["a", None, "b"], object))),
    (ValueError, "factors: .*missing one in row 1", lambda: bnorm.demean(np.ones(2), pd.Categorical([None, "b"]))),
    (ValueError, "factors: .*missing one in row 2", lambda: bnorm.demean(
        np.ones(2), np.array(["2001-01-01", "NaT"], "M8[D]"))),
    (ValueError, "factors: .*missing one in row 1", lambda: bnorm.demean(np.ones(2), pd.Series([pd.NA, 1], dtype="Int64"))),
    (ValueError, "factors: expected no masked", lambda: bnorm.demean(np.ones(2), np.ma.masked_array([1, 2], [True, False]))),
    (ValueError, r"weights: expected shape \(60,\)", lambda: bnorm.demean(x, firm, np.ones(3))),
    (ValueError, "weight of row 1 is -1", lambda: bnorm.demean(x, firm, -np.ones(N))),
    (TypeError, "weights: .*int64", lambda: bnorm.demean(x, firm, np.ones(N, int))),
    (ValueError, "slopes: expected one entry a factor, 2, got 1", lambda: bnorm.demean(x, [firm, year], slopes=[slope])),
    (ValueError, r"slopes: expected shape \(60,\)", lambda: bnorm.demean(x, firm, slopes=[slope[1:]])),
    (ValueError, "slope", lambda: bnorm.demean(x, firm, slopes=np.full(N, np.inf))),
    (ValueError, "tolerance", lambda: bnorm.demean(x, firm, tol=-1)),
    (TypeError, "tol: expected a number", lambda: bnorm.demean(x, firm, tol="a")),
    (ValueError, "out: .*read-only", lambda: bnorm.demean(x, firm, out=locked())),
    (ValueError, r"out: expected shape \(60, 5\)", lambda: bnorm.demean(x, firm, out=np.empty((N, 4)))),
    (ValueError, "out: .*overlaps x", lambda: bnorm.demean(x[:, 1:], firm, out=x[:, :-1])),
    (ValueError, "threads", lambda: bnorm.demean(x, firm, threads=-1)),
])
def test_bad_input(error, message, call):
    before = x.copy()
    with pytest.raises(error, match=message):
        call()
    assert (x == before).all()
