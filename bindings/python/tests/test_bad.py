"""Bad input: the right exception, which names the argument, and never a crash."""
import inspect

import numpy as np
import pytest

import bnorm
from support import draw

x = draw(10, 4)
stats = bnorm.forward(x)[1]
gram = bnorm.gram(x)
stack = draw(2, 6, 3)
locked = x.copy()
locked.flags.writeable = False
one = np.ones(4)

masked = np.ma.masked_array(x, x == x[:1])


class Lender:
    def __init__(self, shape, a):
        self.a, self.__array_interface__ = a, {**a.__array_interface__, "shape": shape, "strides": None}


class Interrupt:
    """As if Ctrl-C came while an argument is read."""

    def __float__(self):
        raise KeyboardInterrupt

    __index__ = __float__

    @property
    def __array_interface__(self):
        raise KeyboardInterrupt


BAD = [
    (TypeError, "x: expected float32 or float64, got float16", lambda: bnorm.forward(x.astype(np.float16))),
    (TypeError, "x: .*got int64", lambda: bnorm.forward(np.ones((3, 2), int))),
    (TypeError, "x: .*got int8", lambda: bnorm.forward(np.ones((3, 2), np.int8))),
    (TypeError, "x: .*got bool", lambda: bnorm.forward(np.ones((3, 2), bool))),
    (TypeError, "x: .*got complex", lambda: bnorm.forward(np.ones((3, 2), complex))),
    (TypeError, "x: .*got object", lambda: bnorm.forward(np.ones((3, 2), object))),
    (TypeError, "x: .*got float128", lambda: bnorm.forward(np.ones((3, 2), np.longdouble))),
    (TypeError, "x: .*byte order", lambda: bnorm.forward(x.astype(">f8"))),
    (TypeError, "x: .*", lambda: bnorm.forward(np.array([["a", "b"]]))),
    (TypeError, "x: .*", lambda: bnorm.forward(np.array([["2020"]], "datetime64"))),
    (TypeError, "x: .*", lambda: bnorm.forward(np.zeros((2, 2), [("a", "f8"), ("b", "f8")]))),
    (TypeError, "x: .*got list", lambda: bnorm.forward([[1.0, 2.0]])),
    (TypeError, "x: .*got NoneType", lambda: bnorm.forward(None)),
    (TypeError, "x: .*got uint8", lambda: bnorm.forward(b"abc")),
    (ValueError, "x: expected 2 dimensions, got 1", lambda: bnorm.forward(np.ones(3))),
    (ValueError, "x: expected 2 dimensions, got 0", lambda: bnorm.forward(np.array(3.0))),
    (ValueError, "x: expected 2 dimensions, got 3", lambda: bnorm.forward(np.ones((2, 2, 2)))),
    (ValueError, "x: .*3 dimensions, got 4", lambda: bnorm.forward(np.ones((1, 1, 1, 1)))),
    (ValueError, "x: n - ddof = 1 - 1", lambda: bnorm.forward(np.ones((1, 2)), ddof=1)),
    (ValueError, "x: n - ddof = 0 - 0", lambda: bnorm.forward(np.ones((0, 2)))),
    (ValueError, "x: n - ddof", lambda: bnorm.forward(x, weights=np.zeros(10))),
    (ValueError, r"gamma: expected shape \(4,\).*got \(3,\)", lambda: bnorm.forward(x, np.ones(3))),
    (ValueError, r"gamma: expected shape \(4,\).*got \(1, 4\)", lambda: bnorm.forward(x, np.ones((1, 4)))),
    (TypeError, "gamma: .*got int64", lambda: bnorm.forward(x, np.ones(4, int))),
    (TypeError, "beta: .*got list", lambda: bnorm.forward(x, None, [1.0] * 4)),
    (ValueError, r"weights: expected shape \(10,\)", lambda: bnorm.forward(x, weights=np.ones(9))),
    (ValueError, "weights: the weight of row 3 is -1", lambda: bnorm.forward(x, weights=np.array([1.0, 1, -1] + [1] * 7))),
    (ValueError, "weight of row 1 is nan", lambda: bnorm.forward(x, weights=np.full(10, np.nan))),
    (ValueError, "eps is -1", lambda: bnorm.forward(x, eps=-1)),
    (ValueError, "eps is nan", lambda: bnorm.forward(x, eps=float("nan"))),
    (TypeError, "eps: expected a number, got 'a'", lambda: bnorm.forward(x, eps="a")),
    (ValueError, "ddof is -1", lambda: bnorm.forward(x, ddof=-1)),
    (ValueError, "threads: .*got -1", lambda: bnorm.forward(x, threads=-1)),
    (TypeError, "threads: .*got 1.5", lambda: bnorm.forward(x, threads=1.5)),
    (ValueError, "threads: .*", lambda: bnorm.set_threads(10**30)),
    (ValueError, "out: .*read-only", lambda: bnorm.forward(x, out=locked)),
    (ValueError, "out: .*read-only", lambda: bnorm.forward(x, out=np.broadcast_to(np.ones(4), (10, 4)))),
    (ValueError, r"out: expected shape \(10, 4\) as x, got \(10, 3\)", lambda: bnorm.forward(x, out=draw(10, 3))),
    (TypeError, "out: expected float64 as x, got float32", lambda: bnorm.forward(x, out=x.astype("f4"))),
    (TypeError, "out: .*got int64", lambda: bnorm.forward(x, out=np.ones((10, 4), int))),
    (ValueError, "out: .*overlaps x", lambda: bnorm.forward(x[:, :2], out=x[:, 1:3])),
    (ValueError, "out: .*overlaps x", lambda: bnorm.forward(x[1:], out=x[:-1])),
    (ValueError, "out: .*overlaps x", lambda: bnorm.forward(x[::-1], out=x)),
    (ValueError, "out: .*overlaps x", lambda: bnorm.forward(x[:4], out=x[:4].T)),
    (ValueError, "out: .*overlaps gamma", lambda: bnorm.forward(x, one, out=np.lib.stride_tricks.as_strided(
        one, (10, 4), (8, 8)))),
    (ValueError, "out: .*overlaps dy", lambda: bnorm.backward(x[1:], x[1:].copy(), None, bnorm.forward(x[1:])[1],
                                                              out=x[:-1])),
    (ValueError, r"dy: expected shape \(10, 4\) as x, got \(9, 4\)", lambda: bnorm.backward(x[1:], x, None, stats)),
    (TypeError, "dy: expected float64 as x", lambda: bnorm.backward(x.astype("f4"), x, None, stats)),
    (TypeError, "stats: expected bnorm.Stats, got NoneType", lambda: bnorm.backward(x, x, None, None)),
    (ValueError, "stats: .*n = 20, .*n = 10", lambda: bnorm.backward(x, x, None, stats, weights=np.full(10, 2.0))),
    (ValueError, "stats: .*n = 10, .*n = 20", lambda: bnorm.backward(
        x, x, None, bnorm.forward(x, weights=np.full(10, 2.0))[1])),
    (ValueError, "gram: expected one of the 9 rows", lambda: bnorm.dense_forward(x[1:], draw(4, 2), gram)),
    (ValueError, "x: expected no masked", lambda: bnorm.forward(masked)),
    (ValueError, "weights: expected no masked", lambda: bnorm.forward(x, weights=masked[:, 0])),
    (ValueError, "x: expected no masked", lambda: bnorm.Net([bnorm.Dense(1)]).fit(masked, one[:1].repeat(10))),
    (ValueError, "y: expected no masked", lambda: bnorm.Net([bnorm.Dense(1)]).fit(x, masked[:, 0])),
    (ValueError, "weights: expected no masked", lambda: bnorm.Net([bnorm.Dense(1)]).fit(x, x[:, 0],
                                                                                        weights=masked[:, 0])),
    (ValueError, "x: its shape is larger", lambda: bnorm.forward(Lender((2**62, 2**62), x))),
    (ValueError, "x: its shape is larger", lambda: bnorm.forward(Lender((2**61, 8), x))),
    (ValueError, "out: .*some share it", lambda: bnorm.forward(
        x[:6, :3], out=np.lib.stride_tricks.as_strided(np.zeros(99), (6, 3), (8, 8)))),
    (ValueError, "out: .*some share it", lambda: bnorm.forward(
        x[:6, :3], out=np.lib.stride_tricks.as_strided(np.zeros(99), (6, 3), (16, 8)))),
    (KeyboardInterrupt, "", lambda: bnorm.forward(x, eps=Interrupt())),
    (KeyboardInterrupt, "", lambda: bnorm.group_norm(stack, Interrupt())),
    (KeyboardInterrupt, "", lambda: bnorm.forward(Interrupt())),
    (ValueError, "kind: ", lambda: bnorm.jacobian([], x)),
    (TypeError, "a: expected bnorm.Moments", lambda: bnorm.merge((1, 2, 3), bnorm.moments(x))),
    (TypeError, "update: ", lambda: bnorm.RunningStats(3, update=None)),
    (TypeError, "mean: ", lambda: bnorm.RunningStats(3, mean=None)),
    (TypeError, "mean: ", lambda: bnorm.RunningStats(3, mean=np.zeros((3, 1)))),
    (ValueError, "mean: ", lambda: bnorm.RunningStats(3, mean=float("nan"))),
    (ValueError, "stats: .*10", lambda: bnorm.backward(x[1:], x[1:], None, stats)),
    (ValueError, "stats.mean: .*", lambda: bnorm.backward(x[:, :2], x[:, :2], None, stats)),
    (TypeError, "stats.mean: .*None", lambda: bnorm.backward(x, x, None, bnorm.Stats(None, None, None, 10))),
    (TypeError, "mean: .*None", lambda: bnorm.infer(x, None, None, None, one)),
    (ValueError, "var of column 1 is -1", lambda: bnorm.infer(x, None, None, one, -one)),
    (ValueError, "var: ", lambda: bnorm.infer_backward(x, x, None, one, np.ones(5))),
    (ValueError, "bias: ", lambda: bnorm.fold(x, np.ones(3), None, None, one, one)),
    (TypeError, "a: expected bnorm.Moments", lambda: bnorm.merge(1, bnorm.moments(x))),
    (ValueError, "b.mean: ", lambda: bnorm.merge(bnorm.moments(x), bnorm.moments(x[:, :3]))),
    (ValueError, "groups: .*6 channels.*got 4", lambda: bnorm.group_norm(stack, 4)),
    (ValueError, "groups: ", lambda: bnorm.group_norm(stack, 0)),
    (TypeError, "groups: .*got 2.5", lambda: bnorm.group_norm(stack, 2.5)),
    (ValueError, "x: expected 3 dimensions, got 2", lambda: bnorm.group_norm(x, 2)),
    (ValueError, "stats.mean: ", lambda: bnorm.group_norm_backward(stack, stack, 2, None, bnorm.group_norm(stack, 3)[1])),
    (ValueError, "stats.mean: ", lambda: bnorm.layer_norm_backward(x[1:], x[1:], None, bnorm.layer_norm(x)[1])),
    (ValueError, "g1: expected 4 rows", lambda: bnorm.dense_forward(x, draw(3, 2), gram)),
    (TypeError, "g1: expected float64 as x", lambda: bnorm.dense_forward(x, draw(4, 2, dtype="f4"), gram)),
    (TypeError, "gram: expected bnorm.Gram", lambda: bnorm.dense_forward(x, draw(4, 2), None)),
    (ValueError, "gram", lambda: bnorm.dense_forward(draw(10, 3), draw(3, 2), gram)),
    (ValueError, r"w: expected shape \(10, 2\)", lambda: bnorm.dense_backward(
        draw(10, 3), x, draw(4, 2), gram, None, bnorm.dense_forward(x, draw(4, 2), gram)[1])),
    (ValueError, "x: n - ddof", lambda: bnorm.gram(x[:1], ddof=1)),
    (ValueError, "kind: ", lambda: bnorm.jacobian("x", x)),
    (ValueError, "x: the Jacobian would have", lambda: bnorm.jacobian("z", np.ones((3000, 100)))),
    (TypeError, "x: expected float64", lambda: bnorm.jacobian("z", x.astype("f4"))),
    (ValueError, "update: ", lambda: bnorm.RunningStats(3, update=0)),
    (ValueError, "update: ", lambda: bnorm.RunningStats(3, update="momentum")),
    (ValueError, "mean: ", lambda: bnorm.RunningStats(3, mean=[1, 2])),
    (ValueError, "var: ", lambda: bnorm.RunningStats(3, var=-1)),
    (TypeError, "p: ", lambda: bnorm.RunningStats(3.5)),
    (TypeError, "stats: ", lambda: bnorm.RunningStats(4).update(x)),
    (ValueError, "stats: ", lambda: bnorm.RunningStats(3).update(stats)),
    (ValueError, "n - ddof", lambda: bnorm.RunningStats(4).update(bnorm.forward(x[:1])[1])),
]


@pytest.mark.parametrize("error, message, call", BAD, ids=[f"{k}" for k in range(len(BAD))])
def test_bad_input(error, message, call):
    before = x.copy()
    with pytest.raises(error, match=message):
        call()
    assert (x == before).all() or "overlap" in message


def test_signatures_are_the_documented_ones():
    expected = {
        bnorm.forward: "(x, gamma=None, beta=None, *, weights=None, eps=1e-05, ddof=0, out=None, threads=None)",
        bnorm.backward: "(dy, x, gamma, stats, *, weights=None, out=None)",
        bnorm.infer: "(x, gamma, beta, mean, var, *, eps=1e-05, out=None)",
        bnorm.infer_backward: "(dy, x, gamma, mean, var, *, eps=1e-05)",
        bnorm.RunningStats: "(p, update=0.1, unbiased=True, mean=0, var=1)",
        bnorm.gram: "(x, *, weights=None, ddof=0)",
        bnorm.dense_forward: "(x, g1, gram, gamma=None, beta=None, *, eps=1e-05)",
        bnorm.dense_backward: "(w, x, g1, gram, gamma, stats)",
        bnorm.layer_norm: "(x, gamma=None, beta=None, *, eps=1e-05)",
        bnorm.layer_norm_backward: "(dy, x, gamma, stats)",
        bnorm.group_norm: "(x, groups, gamma=None, beta=None, *, eps=1e-05)",
        bnorm.group_norm_backward: "(dy, x, groups, gamma, stats)",
    }
    for function, text in expected.items():
        signature = inspect.signature(function)
        plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
        assert str(inspect.Signature(plain)) == text, function


def test_memory_is_given_back():
    """Failures and successes alike leave no reference behind."""
    import gc
    import sys
    small = draw(4, 2)
    for call in (lambda: bnorm.forward(small), lambda: bnorm.forward(small, out=small.copy()),
                 lambda: bnorm.forward(small, np.ones(3)), lambda: bnorm.forward(small[::-1]),
                 lambda: bnorm.backward(small, small, None, bnorm.forward(small)[1])):
        counts = []
        for _ in range(3):
            for _ in range(20):
                try:
                    call()
                except ValueError:
                    pass
            gc.collect()
            counts.append(sys.getrefcount(small))
        assert counts[0] == counts[2]
