"""Makes the case files of this folder: python3 make.py LIBBNORM (needs NumPy; extended precision, so x86-64).
Results are computed in long double from the formulas of docs/maths.md; a bound is a small multiple
of what rounding to double can do to the largest value that enters. The library itself, a path to
libbnorm.so, gives the starting values of networks, and nothing else."""
import ctypes
import os
import sys

import numpy as np

L = np.longdouble
U = 2.0**-53
HERE = os.path.dirname(os.path.abspath(__file__))


def hexa(value):
    """The value, rounded to double, as glibc's %a writes it."""
    sign, text = ("-", float(value).hex()[1:]) if float(value).hex()[0] == "-" else ("", float(value).hex())
    digits, power = text.split("p")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return f"{sign}{digits if digits != '0x' else '0x0'}p{power}"


class File:
    def __init__(self, name, about):
        self.name, self.lines = name, [f"# {about} Made by make.py."]

    def case(self, name, op, expect, **arguments):
        self.lines += ["", f"case {self.name}_{name}", f"op {op}"]
        for key, value in arguments.items():
            if value is None:
                continue
            if isinstance(value, str):
                self.lines.append(f"word {key} {value}")
            elif np.ndim(value) == 0:
                self.lines.append(f"number {key} {hexa(value)}")
            elif np.ndim(value) == 1:
                self.lines += [f"vector {key} {len(value)}", " ".join(map(hexa, value))]
            else:
                self.matrix(f"matrix {key} {value.shape[0]} {value.shape[1]}", value)
        for key, (value, bound) in expect.items():
            value = np.atleast_2d(value)
            self.matrix(f"expect {key} {value.shape[0]} {value.shape[1]} {hexa(bound)}", value)
        self.lines.append("end")

    def matrix(self, head, value):
        self.lines.append(head)
        self.lines += [" ".join(map(hexa, row)) for row in value]

    def write(self):
        with open(os.path.join(HERE, self.name + ".txt"), "w", encoding="ascii") as f:
            f.write("\n".join(self.lines) + "\n")


rng = np.random.default_rng(1512)


def draw(*shape, center=0.0, scale=1.0):
    """Normal numbers with few digits, so that the files can be read."""
    return center + np.round(rng.normal(scale=scale, size=shape) * 4096) / 4096


def count(*shape):
    return rng.integers(0, 4, shape).astype(float)


def most(a):
    return float(np.max(np.abs(a))) if np.size(a) else 0.0


def moments(x, weights=None):
    x = x.astype(L)
    w = np.ones(len(x), L) if weights is None else weights.astype(L)
    n = w.sum()
    mean = (w[:, None] * x).sum(0) / n
    return n, mean, (w[:, None] * (x - mean) ** 2).sum(0)


def statistics(x, weights, eps, ddof):
    n, mean, m2 = moments(x, weights)
    v = m2 / (n - L(ddof)) + L(eps)
    return n, mean, m2, np.where(v > 0, 1 / np.sqrt(np.where(v > 0, v, 1)), L(0))


def ones(gamma, cols):
    return np.ones(cols, L) if gamma is None else gamma.astype(L)


def zeros(beta, cols):
    return np.zeros(cols, L) if beta is None else beta.astype(L)


def forward(x, weights=None, gamma=None, beta=None, eps=1e-5, ddof=0.0):
    n, mean, _, rstd = statistics(x, weights, eps, ddof)
    cols = x.shape[1]
    zhat = (x.astype(L) - mean) * rstd
    y = zhat * ones(gamma, cols) + zeros(beta, cols)
    size = most(x) * most(rstd) * most(ones(gamma, cols)) + most(zeros(beta, cols))
    rows = len(x) + 16
    return {"y": (y, 16 * rows * U * max(size, 1)), "mean": (mean, 4 * rows * U * most(x)),
            "rstd": (rstd, 16 * rows * U * most(rstd) * max(1, most(x) * most(rstd)))}


def backward(x, dy, weights=None, gamma=None, eps=1e-5, ddof=0.0):
    n, mean, _, rstd = statistics(x, weights, eps, ddof)
    w, omega = dy.astype(L), np.ones(len(x), L) if weights is None else weights.astype(L)
    zhat = (x.astype(L) - mean) * rstd
    dbeta, dgamma = w.sum(0), (w * zhat).sum(0)
    g = ones(gamma, x.shape[1])
    om = omega[:, None]
    dx = g * rstd * (w - om / n * dbeta - om * zhat * dgamma / (n - L(ddof)))
    rows, size = len(x) + 16, most(x) * most(rstd) + 1
    b = 16 * rows * U * rows * most(w) * size
    return {"dx": (dx, b * most(g) * most(rstd) * max(1, most(omega)) * size), "dgamma": (dgamma, b * size), "dbeta": (dbeta, b)}


def shapes():
    """(name, arguments of forward but x) and x."""
    yield "plain", draw(7, 3), {}
    yield "affine", draw(12, 4, center=3, scale=2), {"gamma": draw(4), "beta": draw(4)}
    yield "weights", draw(11, 3), {"gamma": draw(3), "beta": draw(3), "weights": count(11), "ddof": 1.0}
    yield "scale", draw(9, 5, center=-2), {"eps": 0.0, "ddof": 1.0}
    constant = draw(6, 3)
    constant[:, 1] = 0.125
    yield "constant", constant, {"eps": 0.0, "gamma": draw(3), "beta": draw(3)}
    yield "far", draw(10, 2, center=2.0**20), {"gamma": draw(2), "beta": draw(2)}
    yield "tall", draw(131, 2), {"gamma": draw(2), "weights": count(131)}
    yield "wide", draw(5, 37), {"gamma": draw(37), "beta": draw(37)}


def matrix_functions():
    forwards, backwards = File("forward", "bnorm_forward."), File("backward", "bnorm_backward.")
    for name, x, options in shapes():
        rule = {"eps": options.get("eps", 1e-5), "ddof": options.get("ddof", 0.0)}
        given = {key: options.get(key) for key in ("weights", "gamma", "beta")}
        forwards.case(name, "forward", forward(x, **given, **rule), x=x, **given, **rule)
        dy = draw(*x.shape)
        del given["beta"]
        backwards.case(name, "backward", backward(x, dy, **given, **rule), x=x, dy=dy, **given, **rule)
    forwards.write()
    backwards.write()


def inference():
    f, b, fold = File("infer", "bnorm_infer."), File("infer_backward", "bnorm_infer_backward."), File("fold", "bnorm_fold.")
    for name, rows, cols, affine, eps in (("plain", 5, 3, False, 1e-5), ("affine", 17, 4, True, 1e-3), ("exact", 3, 33, True, 0.0)):
        x, dy, mean, var = draw(rows, cols), draw(rows, cols), draw(cols), np.abs(draw(cols)) + 0.25
        gamma, beta = (draw(cols), draw(cols)) if affine else (None, None)
        if name == "exact":
            var[2] = 0.0
        v = var.astype(L) + L(eps)
        rstd = np.where(v > 0, 1 / np.sqrt(np.where(v > 0, v, 1)), L(0))
        g, h = ones(gamma, cols), zeros(beta, cols)
        zhat = (x.astype(L) - mean) * rstd
        size = (most(x) + most(mean) + 1) * most(rstd) * (most(g) + 1) + most(h)
        f.case(name, "infer", {"y": (zhat * g + h, 32 * U * size)}, x=x, gamma=gamma, beta=beta, mean=mean, var=var, eps=eps)
        w = dy.astype(L)
        bound = 32 * U * (rows + 8) * most(dy) * size
        b.case(name, "infer_backward", {"dx": (g * rstd * w, bound), "dgamma": ((w * zhat).sum(0), bound * rows), "dbeta": (w.sum(0), bound * rows)},
               x=x, dy=dy, gamma=gamma, mean=mean, var=var, eps=eps)
        g1, bias = draw(6, cols), draw(cols) if affine else None
        shift = h + (zeros(bias, cols) - mean) * g * rstd
        fold.case(name, "fold", {"g1": (g1 * g * rstd, 32 * U * size), "bias": (shift, 32 * U * (size + most(shift)))},
                  g1=g1, bias=bias, gamma=gamma, beta=beta, mean=mean, var=var, eps=eps)
    for file in (f, b, fold):
        file.write()


def statistics_files():
    m, merge, running = File("moments", "bnorm_moments."), File("merge", "bnorm_moments_merge."), File("running", "bnorm_running_update.")

    def expected(n, mean, m2, x, more=1.0):
        rows = len(x) + 16
        return {"n": (n, U * rows * float(n) * more), "mean": (mean, 4 * rows * U * most(x)), "m2": (m2, 32 * rows * U * max(most(m2), most(x) ** 2))}

    for name, x, weights in (("plain", draw(8, 3), None), ("weights", draw(21, 2, center=5), np.abs(draw(21))), ("none", np.zeros((0, 3)), None)):
        if len(x):
            m.case(name, "moments", expected(*moments(x, weights), x), x=x, weights=weights)
        else:
            m.case(name, "moments", {"n": (np.zeros(1), 0.0), "mean": (np.zeros(3), 0.0), "m2": (np.zeros(3), 0.0)}, x=x)
    for name, a, b in (("plain", draw(8, 3), draw(5, 3, center=2)), ("far", draw(4, 2, center=1024), draw(30, 2, center=-1024))):
        both = np.vstack([a, b])
        merge.case(name, "merge", expected(*moments(both), both), x1=a, x2=b)
    batches = {f"x{k}": draw(n, 3, center=1) for k, n in ((1, 5), (2, 4), (3, 7))}
    each = [(n, mean, m2 / (n - 1)) for n, mean, m2 in map(moments, batches.values())]
    mean, var = np.zeros(3, L), np.ones(3, L)
    for _, mu, v in each:
        mean, var = mean + (mu - mean) * L(0.1), var + (v - var) * L(0.1)
    pooled = moments(np.vstack(list(batches.values())))
    results = {"exponential": (mean, var), "average": (sum(e[1] for e in each) / 3, sum(e[2] for e in each) / 3),
               "merge": (pooled[1], pooled[2] / (pooled[0] - 1))}
    for kind, (mu, v) in results.items():
        start = 0.0 if kind != "exponential" else 1.0
        running.case(kind, "running", {"mean": (mu, 1024 * U), "var": (v, 4096 * U)}, kind=kind, update=0.1 if kind == "exponential" else None,
                     ddof=1.0, mean=np.zeros(3), var=np.full(3, start), **batches)
    for file in (m, merge, running):
        file.write()


def by_rows(x, dy, gamma, beta, eps):
    """Layer normalisation of rows, whose gamma and beta have the length of a row."""
    x, w = x.astype(L), dy.astype(L)
    mean = x.mean(1, keepdims=True)
    rstd = 1 / np.sqrt(((x - mean) ** 2).mean(1, keepdims=True) + L(eps))
    zhat, u = (x - mean) * rstd, w * gamma
    dx = rstd * (u - u.mean(1, keepdims=True) - zhat * (u * zhat).mean(1, keepdims=True))
    return zhat * gamma + beta, mean[:, 0], rstd[:, 0], dx, w * zhat, w


def rows_files():
    layer, group = File("layer_norm", "bnorm_layernorm_forward and _backward."), File("group_norm", "bnorm_groupnorm_forward and _backward.")
    names = "y", "mean", "rstd", "dx", "dgamma", "dbeta"
    bound = 2.0**-38
    for name, rows, cols, affine in (("plain", 4, 7, False), ("affine", 19, 34, True)):
        x, dy = draw(rows, cols), draw(rows, cols)
        gamma, beta = (draw(cols), draw(cols)) if affine else (None, None)
        y, mean, rstd, dx, dg, db = by_rows(x, dy, ones(gamma, cols), zeros(beta, cols), 1e-5)
        layer.case(name, "layer_norm", {k: (v, bound) for k, v in zip(names, (y, mean, rstd, dx, dg.sum(0), db.sum(0)))},
                   x=x, dy=dy, gamma=gamma, beta=beta, eps=1e-5)
    for name, rows, channels, s, groups, affine in (("plain", 3, 4, 5, 2, False), ("affine", 2, 6, 3, 3, True), ("instance", 2, 3, 9, 3, True)):
        x, dy = draw(rows, channels * s), draw(rows, channels * s)
        gamma, beta = (draw(channels), draw(channels)) if affine else (None, None)
        wide = [np.tile(np.repeat(v, s).reshape(groups, -1), (rows, 1)) for v in (ones(gamma, channels), zeros(beta, channels))]
        part = by_rows(x.reshape(rows * groups, -1), dy.reshape(rows * groups, -1), *wide, 1e-5)
        sums = [v.reshape(rows, channels, s).sum((0, 2)) for v in part[4:]]
        flat = [part[0].reshape(rows, -1), part[1].reshape(rows, groups), part[2].reshape(rows, groups), part[3].reshape(rows, -1), *sums]
        group.case(name, "group_norm", {k: (v, bound) for k, v in zip(names, flat)}, x=x, dy=dy, groups=float(groups), channels=float(channels),
                   gamma=gamma, beta=beta, eps=1e-5)
    layer.write()
    group.write()


def weight_space():
    gram, dense = File("gram", "bnorm_gram."), File("dense", "bnorm_dense_forward and _backward.")
    for name, rows, p1, p2, weighted, ddof in (("plain", 9, 3, 2, False, 0.0), ("weights", 30, 5, 3, True, 1.0), ("far", 40, 3, 4, False, 1.0)):
        x = draw(rows, p1, center=1000.0 if name == "far" else 1.0)
        weights = count(rows) if weighted else None
        n, mean, _ = moments(x, weights)
        om = np.ones((rows, 1), L) if weights is None else weights.astype(L)[:, None]
        xc = x.astype(L) - mean
        s = xc.T @ (om * xc) / (n - L(ddof))
        wide = 2.0**-40 * (most(x) if name == "far" else 1)
        gram.case(name, "gram", {"n": (np.array([n]), U * float(n)), "mean": (mean, wide), "s": (s, wide)}, x=x, weights=weights, ddof=ddof)
        g1, gamma, beta, w = draw(p1, p2), draw(p2), draw(p2), draw(rows, p2)
        z = x.astype(L) @ g1
        full = {**forward(np.asarray(z, L), weights, gamma, beta, 1e-5, ddof), **backward(np.asarray(z, L), w, weights, gamma, 1e-5, ddof)}
        full["b"] = full.pop("y")
        dg1 = x.astype(L).T @ full.pop("dx")[0]
        order = {k: (full[k][0], wide * 256) for k in ("b", "mean", "rstd")}
        order.update({"dg1": (dg1, wide * 4096), "dgamma": (full["dgamma"][0], wide * 256), "dbeta": (full["dbeta"][0], wide * 256)})
        dense.case(name, "dense", order, x=x, g1=g1, weights=weights, gamma=gamma, beta=beta, eps=1e-5, ddof=ddof, w=w)
    gram.write()
    dense.write()


def started(inputs, layers, seed):
    """The parameters that the library draws."""
    lib, net = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
    size = ctypes.c_ssize_t
    lib.bnorm_net_parameters.restype = ctypes.POINTER(ctypes.c_double)
    lib.bnorm_activation_find.restype = ctypes.c_void_p
    lib.bnorm_net_create(None, size(inputs), ctypes.byref(net))

    class Rule(ctypes.Structure):
        _fields_ = [("eps", ctypes.c_double), ("ddof", ctypes.c_double)]

    for layer in layers:
        if layer.startswith("dense:"):
            lib.bnorm_net_dense(None, net, size(int(layer[6:])))
        elif layer == "batchnorm":
            lib.bnorm_net_batchnorm(None, net, Rule(1e-5, 0))
        else:
            lib.bnorm_net_activation(None, net, ctypes.c_void_p(lib.bnorm_activation_find(layer.encode())))
    lib.bnorm_net_start(None, net, ctypes.c_uint64(seed))
    count = size()
    values = lib.bnorm_net_parameters(net, ctypes.byref(count))
    return np.array(values[:count.value])


ACTIVATIONS = {"tanh": (np.tanh, lambda b: 1 - np.tanh(b) ** 2), "relu": (lambda b: np.maximum(b, 0), lambda b: (b > 0).astype(L))}


def network_pass(layers, params, x, y, omega, loss):
    """R and its gradient in the order of the parameters, by the formulas of maths.md."""
    at, tape, v = 0, [], x.astype(L)

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return params[at - int(np.prod(shape)):at].reshape(shape).astype(L)

    n = omega.sum()
    for k, layer in enumerate(layers):
        if layer.startswith("dense:"):
            g = take(v.shape[1], int(layer[6:]))
            bias = take(int(layer[6:])) if layers[k + 1:k + 2] != ["batchnorm"] else None
            tape.append(("dense", v, g, bias))
            v = v @ g + (0 if bias is None else bias)
        elif layer == "batchnorm":
            gamma, beta = take(v.shape[1]), take(v.shape[1])
            _, mean, _, rstd = statistics(v, omega, 1e-5, 0.0)
            tape.append(("batchnorm", (v - mean) * rstd, gamma, rstd))
            v = (v - mean) * rstd * gamma + beta
        else:
            tape.append((layer, v, None, None))
            v = ACTIVATIONS[layer][0](v)
    om = omega[:, None]
    if loss == "squared":
        value, d = (om * (y - v) ** 2).sum() / n, -2 * om * (y - v) / n
    else:
        p = np.exp(v) / np.exp(v).sum(1, keepdims=True)
        hot = np.eye(v.shape[1], dtype=L)[y[:, 0].astype(int)]
        value, d = -(om * hot * np.log(p)).sum() / n, om * (p - hot) / n
    parts = []
    for kind, a, b, c in reversed(tape):
        if kind == "dense":
            parts = [(a.T @ d).ravel()] + ([] if c is None else [d.sum(0)]) + parts
            d = d @ b.T
        elif kind == "batchnorm":
            dbeta, dgamma = d.sum(0), (d * a).sum(0)
            parts = [dgamma, dbeta] + parts
            d = b * c * (d - om / n * dbeta - om * a * dgamma / n)
        else:
            d = d * ACTIVATIONS[kind][1](a)
    return value, np.concatenate(parts)


def network_file():
    net = File("network", "bnorm_net_gradient.")
    for name, layers, loss, rows, weighted in (
            ("plain", ["dense:3", "batchnorm", "tanh", "dense:1"], "squared", 13, False),
            ("deep", ["dense:6", "batchnorm", "relu", "dense:4", "batchnorm", "tanh", "dense:2"], "squared", 40, True),
            ("classes", ["dense:5", "tanh", "dense:3"], "softmax", 21, False)):
        x = draw(rows, 4)
        y = rng.integers(0, 3, (rows, 1)).astype(float) if loss == "softmax" else draw(rows, int(layers[-1][6:]))
        weights = count(rows) if weighted else None
        start = started(4, layers, 7)
        value, gradient = network_pass(layers, start, x, y, np.ones(rows, L) if weights is None else weights.astype(L), loss)
        net.case(name, "network", {"start": (start, 0.0), "value": (np.array([value]), 2.0**-40), "gradient": (gradient, 2.0**-40)},
                 layers=",".join(layers), loss=loss, seed=7.0, x=x, y=y, weights=weights)
    net.write()


def left(x, columns, weights):
    """x less its weighted least-squares fit on the columns: each is made orthogonal to those before, twice."""
    root = np.ones((len(x), 1), L) if weights is None else np.sqrt(weights.astype(L))[:, None]
    z, basis = x.astype(L) * root, []
    for column in (columns.astype(L) * root).T:
        rest = column.copy()
        for b in basis * 2:
            rest -= b * (b @ rest)
        if np.sqrt(rest @ rest) > 1e-9 * np.sqrt(column @ column):
            basis.append(rest / np.sqrt(rest @ rest))
    for b in basis * 2:
        z -= np.outer(b, b @ z)
    return z / root


def first_seen(codes):
    """The same factor with its levels numbered as they appear, which every binding does alike."""
    known = {}
    return np.array([known.setdefault(c, len(known)) for c in codes.tolist()], float)


def demean_file():
    file = File("demean", "bnorm_demean.")
    for name, rows, levels, sloped, weighted in (("one", 15, (4,), (), False), ("one_weighted", 23, (5,), (), True),
                                                 ("two", 40, (8, 5), (), False), ("two_weighted", 41, (9, 6), (), True),
                                                 ("three", 60, (6, 5, 4), (), False), ("slope", 50, (6, 4), (2,), True)):
        factors = [first_seen(rng.integers(0, top, rows)) for top in levels]
        slopes = {f"s{k}": draw(rows) for k in sloped}
        x, weights = draw(rows, 3, center=5), 0.25 + count(rows) if weighted else None
        columns = [(f[:, None] == np.unique(f)) * slopes.get(f"s{k + 1}", np.ones(rows))[:, None]
                   for k, f in enumerate(factors)]
        y = left(x, np.hstack(columns), weights)
        file.case(name, "demean", {"y": (y, 2.0**-36 * most(x))}, x=x, weights=weights,
                  **{f"f{k + 1}": f for k, f in enumerate(factors)}, **slopes)
    file.write()


def panel_case(file, name, terms, rows, levels, weighted, cluster):
    """Least squares with fixed effects in long double; terms: columns of P."""
    factors = {f"f{k + 1}": first_seen(rng.integers(0, top, rows)) for k, top in enumerate(levels)}
    x = {f"x{k + 1}": draw(rows, center=k) for k in range(terms)}
    y = draw(rows, scale=0.5) + sum(x.values()) + sum(0.25 * f for f in factors.values())
    weights = 0.25 + count(rows) if weighted else None
    omega = np.ones(rows, L) if weights is None else weights.astype(L)
    dummies = np.hstack([f[:, None] == np.unique(f) for f in factors.values()] or [np.ones((rows, 1))])
    p = np.column_stack(list(x.values()) if factors else [np.ones(rows), *x.values()])
    q = left(np.column_stack([p, y]), dummies, weights) if factors else np.column_stack([p, y]).astype(L)
    qp, qy = q[:, :-1], q[:, -1]
    bread = solve(qp.T @ (omega[:, None] * qp))
    theta = bread @ (qp.T @ (omega * qy))
    e = qy - qp @ theta
    absorbed = np.linalg.matrix_rank(dummies.astype(float)) if factors else 0
    if cluster:
        groups = factors[cluster]
        sums = np.array([((omega * e)[:, None] * qp)[groups == g].sum(0) for g in np.unique(groups)])
        inside = [k for k in factors if all(len(set(groups[factors[k] == v])) == 1 for v in np.unique(factors[k]))]
        other = np.hstack([factors[k][:, None] == np.unique(factors[k]) for k in factors if k not in inside] or [np.zeros((rows, 0))])
        counted = np.linalg.matrix_rank(np.hstack([np.ones((rows, 1)), other]))  # of what is nested the constant alone
        g = len(sums)
        cov = bread @ (sums.T @ sums) @ bread * L(g) / (g - 1) * (rows - 1) / (rows - len(theta) - counted)
    else:
        cov = bread * (omega * e * e).sum() / (rows - len(theta) - absorbed)
    bound = 2.0**-34
    file.case(name, "panel", {"theta": (theta, bound * most(theta)), "fitted": (y.astype(L) - e, bound * most(y)),
                              "cov": (cov, bound * most(cov))},
              formula=f"y~{'+'.join(x)}" + (f"|{'+'.join(factors)}" if factors else ""), cluster=cluster or None, y=y,
              **x, **factors, weights=weights)


def solve(a):
    """The inverse of a small symmetric matrix, in long double."""
    n = len(a)
    m = np.hstack([a, np.eye(n, dtype=L)])
    for k in range(n):
        m[k] /= m[k, k]
        for i in range(n):
            if i != k:
                m[i] -= m[i, k] * m[k]
    return m[:, n:]


def panel_file():
    file = File("panel", "bnorm_panel_fit.")
    panel_case(file, "plain", 2, 30, (), False, None)
    panel_case(file, "one", 2, 40, (6,), False, None)
    panel_case(file, "one_clusters", 2, 41, (7,), False, "f1")
    panel_case(file, "two", 3, 60, (8, 5), False, None)
    panel_case(file, "two_clusters", 2, 63, (9, 4), True, "f1")
    x1, x2, f1 = draw(60), draw(60), first_seen(rng.integers(0, 6, 60))
    y = x1 + np.tanh(2 * x2) + f1 / 4  # without noise: the truth is what a fit must come near
    file.case("network", "panel", {"theta": (np.ones(1), 0.05), "fitted": (y, 0.2)}, formula="y~x1+nn(x2)|f1", y=y,
              x1=x1, x2=x2, f1=f1, hidden=4.0, penalty=2.0**-13, epochs=40.0)
    file.write()


def main():
    network_file()
    matrix_functions()
    inference()
    statistics_files()
    rows_files()
    weight_space()
    demean_file()
    panel_file()


if __name__ == "__main__":
    main()
