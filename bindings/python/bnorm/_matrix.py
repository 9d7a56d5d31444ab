"""The matrix functions. Arguments are judged in C (`_core`); here are the signatures, the names and
what they mean. Symbols are those of docs/maths.md: mu, v, rstd = 1/sqrt(v + eps), M = n - ddof."""
from __future__ import annotations

from typing import Any, Callable, Literal, NamedTuple

from . import _core

Array = Any  # whatever lends memory: buffer protocol, __array_interface__ or DLPack


class Stats:
    """Statistics of a forward pass, in float64.

    mean, var, rstd: one value a column (layer_norm: a row; group_norm: N x groups); n: the sum of
    the weights, or the rows; var = m2/(n - ddof) and rstd = 1/sqrt(var + eps), 0 where var + eps
    is 0. m2 is the sum of the squared deviations.
    """

    __slots__ = ("mean", "var", "rstd", "n", "eps", "ddof", "m2")

    def __init__(self, mean: Array, var: Array, rstd: Array, n: float, eps: float = 1e-5, ddof: float = 0,
                 m2: Array = None):
        self.mean = mean
        self.var = var
        self.rstd = rstd
        self.n = n
        self.eps = float(eps)
        self.ddof = float(ddof)
        self.m2 = m2

    def __repr__(self) -> str:
        return (f"Stats(n={self.n:g}, eps={self.eps:g}, ddof={self.ddof:g}, mean={self.mean!r}, var={self.var!r}, "
                f"rstd={self.rstd!r})")


class Moments(NamedTuple):
    """n = sum(weights), mean = sum(w x)/n and m2 = sum(w (x - mean)^2), by column."""

    n: float
    mean: Array
    m2: Array


class Gram:
    """What weight space needs of X (maths.md section 2): n, ddof, mean (p1), s = Xc'diag(w)Xc/M (p1 x p1)."""

    __slots__ = ("n", "ddof", "s", "weights", "_xbar")

    def __init__(self, n: float, ddof: float, s: Array, weights: Array, xbar: Array):
        self.n, self.ddof, self.s, self.weights, self._xbar = n, ddof, s, weights, xbar

    @property
    def mean(self) -> Array:
        """The column means of X."""
        return self._xbar[:len(self._xbar) // 2]

    def __repr__(self) -> str:
        return f"Gram(n={self.n:g}, ddof={self.ddof:g}, mean={self.mean!r}, s={self.s!r})"

    def _parts(self) -> tuple:
        return self.n, self.ddof, self.weights, self._xbar, self.s


def _check_stats(stats: Any, kind: type = Stats, name: str = "stats") -> None:
    if not isinstance(stats, kind):
        raise TypeError(f"{name}: expected bnorm.{kind.__name__}, got {type(stats).__name__}")


def set_threads(threads: int) -> None:
    """Sets the threads of all calls that do not say; 0 means all processors in use. Starts at 1.

    Results have the same bits for any number of threads.

    >>> set_threads(2); get_threads()
    2
    >>> set_threads(1)
    """
    _core.set_threads(threads)


def get_threads() -> int:
    """The threads of calls that do not say."""
    return _core.get_threads()


def forward(x: Array, gamma: Array = None, beta: Array = None, *, weights: Array = None, eps: float = 1e-5,
            ddof: float = 0, out: Array = None, threads: int | None = None) -> tuple[Array, Stats]:
    """Training forward: ``y = gamma (x - mu) rstd + beta`` by column, and its statistics.

    x: N x p. gamma, beta: p, or None for 1 and 0. weights: N, >= 0; a whole weight is that many
    copies of the row. y has the shape and precision of x; out may be x (in place) or memory of
    its own. A column of variance 0 gives exactly beta.

    >>> import numpy as np
    >>> x = np.array([[1., 5.], [3., 5.]])
    >>> y, stats = forward(x, eps=0)
    >>> y
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> stats.var, stats.n
    (array([1., 0.]), 2.0)

    R's scale() is ddof=1, eps=0. Raises ValueError for shapes, for n - ddof <= 0 and for an out
    that is read-only or overlaps; TypeError for other types than float32 and float64.
    """
    y, n, mean, m2, var, rstd = _core.forward(x, gamma, beta, weights, eps, ddof, out, threads)
    return y, Stats(mean, var, rstd, n, eps, ddof, m2)


def backward(dy: Array, x: Array, gamma: Array, stats: Stats, *, weights: Array = None,
             out: Array = None) -> tuple[Array, Array, Array]:
    """Backward of `forward`: dx, dgamma and dbeta from dy. With zhat = (x - mu) rstd::

        (B1) dbeta = 1'dy      (B2) dgamma = diag(zhat'dy)
        (B3) dx = (gamma rstd) [ dy - (w/n) dbeta - (w zhat) dgamma/M ]   by column

    dy, x: N x p of one precision; gamma as in forward (None for 1: dgamma and dbeta come all the
    same); stats of that forward, and the same weights. out may be x or dy.

    >>> import numpy as np
    >>> x, dy = np.array([[1.], [2.], [6.]]), np.array([[1.], [0.], [1.]])
    >>> dx, dgamma, dbeta = backward(dy, x, None, forward(x)[1])
    >>> dbeta, bool(abs(dx.sum()) < 1e-15)
    (array([2.]), True)
    """
    _check_stats(stats)
    return _core.backward(dy, x, gamma, weights, stats.mean, stats.rstd, stats.eps, stats.ddof, out, stats.n)


def infer(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5,
          out: Array = None) -> Array:
    """Inference: ``y = gamma (x - mean)/sqrt(var + eps) + beta`` with given statistics, row by row.

    x: N x p. gamma, beta: p or None. mean, var: p, var >= 0. out may be x.

    >>> import numpy as np
    >>> infer(np.array([[3., 1.]]), None, None, np.array([1., 1.]), np.array([4., 1.]), eps=0)
    array([[1., 0.]])
    """
    return _core.infer(x, gamma, beta, mean, var, eps, out)[0]


def infer_backward(dy: Array, x: Array, gamma: Array, mean: Array, var: Array, *,
                   eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """Backward of `infer`, where the statistics are constants::

        dbeta = 1'dy     dgamma = diag(zhat'dy)     dx = gamma/sqrt(var + eps) dy   by column

    >>> import numpy as np
    >>> one = np.ones(1)
    >>> dx, dgamma, dbeta = infer_backward(np.ones((2, 1)), np.array([[1.], [5.]]), one, one, 4*one, eps=0)
    >>> dx, dgamma, dbeta
    (array([[0.5],
           [0.5]]), array([2.]), array([2.]))
    """
    return _core.infer_backward(dy, x, gamma, mean, var, eps)


def moments(x: Array, *, weights: Array = None) -> Moments:
    """n, mean and m2 of each column; those of no rows are 0, the neutral element of `merge`.

    >>> import numpy as np
    >>> moments(np.array([[1.], [3.]]))
    Moments(n=2.0, mean=array([2.]), m2=array([2.]))
    """
    return Moments(*_core.moments(x, weights))


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of the union of two sets of rows, exactly pooled (maths.md section 5)::

        delta = mean_b - mean_a     mean = mean_a + delta n_b/n     m2 = m2_a + m2_b + delta^2 n_a n_b/n

    >>> import numpy as np
    >>> merge(moments(np.array([[1.], [3.]])), moments(np.array([[5.]])))
    Moments(n=3.0, mean=array([3.]), m2=array([8.]))
    """
    for name, given in (("a", a), ("b", b)):
        if not isinstance(given, tuple) or len(given) != 3 or not hasattr(given[1], "__len__"):
            raise TypeError(f"{name}: expected bnorm.Moments, got {type(given).__name__}")
    return Moments(*_core.merge(*a, *b, len(a[1])))


def fold(g1: Array, bias: Array, gamma: Array, beta: Array, mean: Array, var: Array, *,
         eps: float = 1e-5) -> tuple[Array, Array]:
    """The dense layer that a dense layer followed by `infer` is: weights and bias. sigma = sqrt(var + eps)::

        g1 diag(gamma/sigma),   beta + (bias - mean) gamma/sigma

    g1: p1 x p2. bias, gamma, beta: p2 or None. mean, var: p2.

    >>> import numpy as np
    >>> fold(np.array([[2.]]), None, None, None, np.array([1.]), np.array([4.]), eps=0)
    (array([[1.]]), array([-0.5]))
    """
    return _core.fold(g1, bias, gamma, beta, mean, var, eps)


def gram(x: Array, *, weights: Array = None, ddof: float = 0) -> Gram:
    """What normalisation in weight space needs of X, once for all steps: its means and S = Xc'diag(w)Xc/M.

    x: N x p1. weights: N or None; kept, not copied.

    >>> import numpy as np
    >>> gram(np.array([[1., 0.], [3., 2.]])).s
    array([[1., 1.],
           [1., 1.]])
    """
    n, xbar, s = _core.gram(x, weights, ddof)
    return Gram(n, ddof, s, weights, xbar)


def dense_forward(x: Array, g1: Array, gram: Gram, gamma: Array = None, beta: Array = None, *,
                  eps: float = 1e-5) -> tuple[Array, Stats]:
    """b = bn(x g1) without z = x g1: with S of the gram, g a column of g1::

        (W1) mean = xbar'g, v = g'S g      (W4) b = Xc g1 diag(gamma rstd) + 1 beta'

    x: N x p1, that of the gram. g1: p1 x p2. gamma, beta: p2 or None.

    >>> import numpy as np
    >>> x, g1 = np.array([[1., 0.], [3., 2.]]), np.array([[1.], [1.]])
    >>> b, stats = dense_forward(x, g1, gram(x), eps=0)
    >>> b, stats.mean, stats.var
    (array([[-1.],
           [ 1.]]), array([3.]), array([4.]))
    """
    _check_stats(gram, Gram, "gram")
    b, mean, rstd = _core.dense_forward(x, g1, *gram._parts(), gamma, beta, eps)

    def exact(columns: Array) -> Array:  # (W1)
        import numpy as np
        g = _ndarray(g1)[:, columns].astype(np.float64)
        return np.maximum(((gram.s @ g) * g).sum(0), 0)

    return b, Stats(mean, _variance(rstd, eps, exact), rstd, gram.n, eps, gram.ddof)


def dense_backward(w: Array, x: Array, g1: Array, gram: Gram, gamma: Array,
                   stats: Stats) -> tuple[Array, Array, Array]:
    """Backward of `dense_forward` from w = db: dg1, dgamma and dbeta, with G = Xc'w::

        (B1) dbeta = 1'w   (W2) dgamma = rstd g'G   (W3) dg = gamma rstd [ G - S g rstd dgamma ]

    >>> import numpy as np
    >>> x, g1 = np.array([[1., 0.], [3., 2.], [5., 1.]]), np.array([[1.], [1.]])
    >>> b, stats = dense_forward(x, g1, gram(x))
    >>> dg1, dgamma, dbeta = dense_backward(np.array([[1.], [0.], [1.]]), x, g1, gram(x), None, stats)
    >>> dbeta
    array([2.])
    """
    _check_stats(gram, Gram, "gram")
    _check_stats(stats)
    return _core.dense_backward(w, x, g1, *gram._parts(), gamma, stats.rstd)


def _variance(rstd: Array, eps: float, exact: Callable[[Array], Array]) -> Array:
    """v from rstd = 1/sqrt(v + eps), for statistics that come without it. The difference loses the digits of
    a v below eps: exact computes those of the entries it is given, in the order of rstd.reshape(-1)."""
    import numpy as np
    r = rstd.reshape(-1)
    eps = float(eps)
    v = np.zeros(r.shape)
    np.divide(1.0, r * r, out=v, where=r != 0)
    v -= np.where(r != 0, eps, 0.0)
    lost = np.flatnonzero((r != 0) & (v < eps))
    if len(lost):
        v[lost] = exact(lost)
    return v.reshape(rstd.shape)


def _ndarray(x: Array) -> Array:
    """As an array of NumPy, from whatever lends memory."""
    import numpy as np
    other = not hasattr(x, "__array_interface__") and not hasattr(x, "__array__") and hasattr(x, "__dlpack__")
    return np.from_dlpack(x) if other else np.asarray(x)


def _row_variance(rows: Array) -> Array:
    """The variance of each row, in float64."""
    return _core.moments(rows.T, None)[2] / rows.shape[1]


def layer_norm(x: Array, gamma: Array = None, beta: Array = None, *, eps: float = 1e-5) -> tuple[Array, Stats]:
    """Layer normalisation: each row over its p columns, ``y = gamma (x - mean_i) rstd_i + beta``.

    x: N x p. gamma, beta: p or None. The statistics have one value a row, their n is p.

    >>> import numpy as np
    >>> y, stats = layer_norm(np.array([[1., 3.], [10., 30.]]), eps=0)
    >>> y, stats.mean
    (array([[-1.,  1.],
           [-1.,  1.]]), array([ 2., 20.]))
    """
    y, mean, rstd = _core.layer_norm(x, gamma, beta, eps)
    v = _variance(rstd, eps, lambda rows: _row_variance(_ndarray(x)[rows]))
    return y, Stats(mean, v, rstd, float(y.shape[1]), eps, 0)


def layer_norm_backward(dy: Array, x: Array, gamma: Array, stats: Stats) -> tuple[Array, Array, Array]:
    """Backward of `layer_norm`: dbeta = 1'dy, dgamma = diag(xhat'dy), and with u = gamma dy, row by row::

        dx = rstd [ u - mean(u) - xhat mean(xhat u) ]

    >>> import numpy as np
    >>> x = np.array([[1., 3., 4.]])
    >>> dx, dgamma, dbeta = layer_norm_backward(np.eye(1, 3), x, None, layer_norm(x)[1])
    >>> dbeta, bool(abs(dx.sum()) < 1e-15)
    (array([1., 0., 0.]), True)
    """
    _check_stats(stats)
    return _core.layer_norm_backward(dy, x, gamma, stats.mean, stats.rstd)


def group_norm(x: Array, groups: int, gamma: Array = None, beta: Array = None, *,
               eps: float = 1e-5) -> tuple[Array, Stats]:
    """Group normalisation of N x C x S: each sample's C channels in `groups` groups of neighbours, each over its values.

    gamma, beta: C or None. The statistics are N x groups. groups = C is instance normalisation.
    ValueError unless groups divides C.

    >>> import numpy as np
    >>> y, stats = group_norm(np.arange(8.).reshape(1, 4, 2), 2)
    >>> stats.mean
    array([[1.5, 5.5]])
    """
    y, mean, rstd = _core.group_norm(x, groups, gamma, beta, eps)
    v = _variance(rstd, eps, lambda lost: _row_variance(_ndarray(x).reshape(rstd.size, -1)[lost]))
    return y, Stats(mean, v, rstd, float(y.shape[1] // groups * y.shape[2]), eps, 0)


def group_norm_backward(dy: Array, x: Array, groups: int, gamma: Array,
                        stats: Stats) -> tuple[Array, Array, Array]:
    """Backward of `group_norm`: dx as `layer_norm_backward` within each group, dgamma and dbeta by channel.

    >>> import numpy as np
    >>> x = np.arange(8.).reshape(1, 4, 2)
    >>> dx, dgamma, dbeta = group_norm_backward(np.ones_like(x), x, 2, None, group_norm(x, 2)[1])
    >>> dbeta
    array([2., 2., 2., 2.])
    """
    _check_stats(stats)
    return _core.group_norm_backward(dy, x, groups, gamma, stats.mean, stats.rstd)


_JACOBIANS = {"beta": 0, "gamma": 1, "z": 2, "g1": 3}


def jacobian(kind: Literal["beta", "gamma", "z", "g1"], x: Array, g1: Array = None, *, gamma: Array = None,
             weights: Array = None, eps: float = 1e-5, ddof: float = 0) -> Array:
    """The Jacobian of vec(b), b = bn(x g1), for teaching (maths.md section 4; small sizes, float64)::

        beta:  I (x) e, N p2 x p2          gamma: I * zhat, column-wise Khatri-Rao, N p2 x p2
        z:     blockdiag(gamma rstd (I - e w'/n - zhat (w zhat)'/M))     g1: J_z (I (x) x), N p2 x p1 p2

    The gradient of any R is J' vec(dR/db). Without g1, z is x.

    >>> import numpy as np
    >>> x, dy = np.array([[1.], [2.], [6.]]), np.array([[1.], [0.], [1.]])
    >>> dx = backward(dy, x, None, forward(x)[1])[0]
    >>> bool(np.allclose(jacobian("z", x).T @ dy, dx))
    True
    """
    if not isinstance(kind, str) or kind not in _JACOBIANS:
        raise ValueError(f"kind: expected one of {', '.join(_JACOBIANS)}, got {kind!r}")
    return _core.jacobian(_JACOBIANS[kind], x, g1, gamma, weights, eps, ddof)[0]
