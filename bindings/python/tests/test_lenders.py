"""Who may lend memory: buffers, __array_interface__, DLPack; and life without NumPy."""
import array
import ctypes
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import bnorm
from support import draw

x = draw(6, 3)
y = bnorm.forward(x)[0]


class Interface:
    def __init__(self, a, **changes):
        self.a, self.__array_interface__ = a, {**a.__array_interface__, **changes}


class DLPack:
    """Only DLPack, as a tensor of another framework."""

    def __init__(self, a, device=(1, 0)):
        self.a, self.device = a, device

    def __dlpack__(self, stream=None):
        return self.a.__dlpack__()

    def __dlpack_device__(self):
        return self.device


@pytest.mark.parametrize("lend", [memoryview, Interface, DLPack])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_lenders(lend, dtype):
    for view in (x.astype(dtype), np.asfortranarray(x.astype(dtype)), x.astype(dtype)[::-1][::-1]):
        assert (bnorm.forward(lend(view))[0] == bnorm.forward(view)[0]).all()
        out = np.empty_like(view)
        answer, _ = bnorm.forward(lend(view), out=lend(out))
        assert (out == bnorm.forward(view)[0]).all() and not isinstance(answer, np.ndarray)


def test_the_same_memory_through_two_lenders_is_in_place():
    place = x.copy()
    bnorm.forward(place, out=memoryview(place))
    assert (place == y).all()
    with pytest.raises(ValueError, match="overlaps"):
        bnorm.forward(place[1:], out=DLPack(place[:-1]))


@pytest.mark.parametrize("kind, dtype", [(ctypes.c_double, np.float64), (ctypes.c_float, np.float32)])
def test_arrays_of_ctypes(kind, dtype):
    """They lend a buffer without strides."""
    given = (kind * 3 * 6)()
    np.asarray(given)[:] = x
    answer, stats = bnorm.forward(given, (kind * 3)(1, 2, 3))
    expected = bnorm.forward(x.astype(dtype), np.array([1, 2, 3], dtype))
    assert (answer == expected[0]).all() and (stats.mean == expected[1].mean).all()
    bnorm.forward(given, out=given)
    assert (np.asarray(given) == bnorm.forward(x.astype(dtype))[0]).all()
    with pytest.raises(TypeError, match="x: .*int32"):
        bnorm.forward((ctypes.c_int * 3 * 6)())
    with pytest.raises(ValueError, match="x: expected 2 dimensions, got 0"):
        bnorm.forward(kind(1))


@pytest.mark.parametrize("bad, error, message", [
    (Interface(x, typestr="<i8"), TypeError, "<i8"),
    (Interface(x, typestr=None), TypeError, "typestr"),
    (Interface(x, typestr=">f8"), TypeError, ">f8"),
    (Interface(x, shape=(1, 2, 3, 4)), ValueError, "dimensions"),
    (Interface(x, shape=None), ValueError, "dimensions"),
    (Interface(x, shape=("a", 1)), TypeError, ""),
    (Interface(x, shape=(-1, 3)), ValueError, "negative"),
    (Interface(x, strides=(8,)), ValueError, "strides"),
    (Interface(x, data=None), TypeError, "data"),
    (Interface(x, data=(0, False)), ValueError, "null pointer"),
    (Interface(x, data=("p", False)), TypeError, ""),
    (DLPack(x.astype(np.float16)), TypeError, "float16"),
    (DLPack(x.astype(int)), TypeError, "int64"),
    (DLPack(x, device=(2, 0)), TypeError, "not on the CPU"),
    (DLPack(x, device=None), TypeError, "x: "),
    (DLPack("no array"), TypeError, "x: "),
])
def test_bad_lenders(bad, error, message):
    with pytest.raises(error, match=message):
        bnorm.forward(bad)


def test_read_only_lenders():
    for out in (Interface(x, data=(x.ctypes.data, True)), memoryview(x.tobytes()).cast("d", (6, 3))):
        with pytest.raises(ValueError, match="out: .*read-only"):
            bnorm.forward(x, out=out)


def test_the_lender_is_held_during_the_call_and_no_longer():
    data = bytearray(x.tobytes())
    bnorm.forward(memoryview(data).cast("d", (6, 3)))
    data.extend(b"more")  # a buffer still exported would refuse
    own = array.array("d", [1.0, 2.0, 4.0])
    bnorm.forward(x, own)
    own.append(3.0)


WITHOUT = """
    import sys
    sys.modules["numpy"] = None  # as if it were not installed
    import array, bnorm
    x = memoryview(array.array("d", [1, 10, 3, 20])).cast("B").cast("d", (2, 2))
    out = memoryview(bytearray(32)).cast("d", (2, 2))
    y, stats = bnorm.forward(x, out=out, eps=0)
    assert y is out and out.tolist() == [[-1, -1], [1, 1]], out.tolist()
    assert list(stats.mean) == [2, 15] and list(stats.var) == [1, 25], stats
    dx, dgamma, dbeta = bnorm.backward(x, x, None, stats, out=memoryview(bytearray(32)).cast("d", (2, 2)))
    assert list(dbeta) == [4, 30], dbeta
    running = bnorm.RunningStats(2, update="merge", unbiased=False)
    running.update(stats)
    assert list(running.mean) == [2, 15] and list(running.var) == [1, 25]
    assert bnorm.infer(x, None, None, running.mean, running.var, eps=0, out=out).tolist() == [[-1, -1], [1, 1]]
    assert list(bnorm.merge(bnorm.moments(x), bnorm.moments(x)).mean) == [2, 15]
    try:
        bnorm.forward(x)
    except ImportError as error:
        assert "NumPy" in str(error) and "out=" in str(error), error
    else:
        raise AssertionError("a matrix without NumPy")
"""


def test_without_numpy():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(WITHOUT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_lender_that_changes_while_it_is_read():
    """What its parts run may empty the dict they come from."""
    class Evil:
        def __bool__(self):
            lent.clear()
            return False

    lent = {"shape": (6, 3), "typestr": x.__array_interface__["typestr"], "data": (x.ctypes.data, Evil()),
            "strides": tuple(int(n) for n in ("24", "8")), "version": 3}
    lender = Interface(x)
    lender.__array_interface__ = lent
    assert (bnorm.forward(lender)[0] == y).all()


def test_masks_that_hide_nothing():
    assert (bnorm.forward(np.ma.masked_array(x))[0] == y).all()
    assert (bnorm.forward(np.ma.masked_array(x, np.zeros(x.shape, bool)))[0] == y).all()
