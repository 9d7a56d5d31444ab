"""exact.py BUILD: worst errors of the matrix functions against MPFR at 256 bits, in ulp, beside the installed peers.

BUILD is a build folder made with -Dbench=true where MPFR is. One ulp is the distance of neighbouring numbers of the
result's type (statistics are double for float data, too), at least the smallest subnormal, at the size of
    mean           the largest |x| of the column
    m2, rstd       itself
    y, infer, b    the largest |y| of the column (layer norm: of the row)
    infer, own     each value itself, with beta = 0
    dgamma, dbeta  the sum or its largest term, whichever is larger
    dx             the largest term of (B3) in the column: gamma rstd times w, dbeta/n or zhat dgamma/n
    ln dgamma      as dgamma, a term being |w| times the largest |zhat| of its row
Backward takes each side's own statistics, so its figures are those of forward and backward together. The exact
results know nothing of rounded statistics. Layer norm gets the transposed data: its rows are the columns of the rest.
"""
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    sys.exit("exact.py: NumPy is not installed: ./setup packages bench installs it")

import peers

LD = np.longdouble
QUANTITIES = ["mean", "m2", "rstd", "y", "infer", "infer, own", "dx", "dgamma", "dbeta", "ln y", "ln dx", "ln dgamma",
              "dense b"]
PEERS = ["bnorm", "PyTorch", "NumPy textbook", "R"]
UNITS = 4  # of the dense layer

# what, type, rows, columns, mean, standard deviation, eps
CASES = [(what, kind, rows, cols, mean, sd, eps) for kind, what, rows, cols, mean, sd, eps in [
    ("f64", "mean 0, sd 1", 1000, 7, 0, 1, 1e-5),
    ("f64", "mean/sd 1e3", 1000, 7, 1e3, 1, 1e-5),
    ("f64", "mean/sd 1e6", 1000, 7, 1e6, 1, 1e-5),
    ("f64", "mean/sd 1e12", 1000, 7, 1e12, 1, 1e-5),
    ("f64", "constant", 1000, 7, 0.1, 0, 1e-5),
    ("f64", "denormal, sd 1e-310", 1000, 7, 0, 1e-310, 1e-5),
    ("f64", "sd 1e150", 1000, 7, 0, 1e150, 1e-5),
    ("f64", "long, mean 1", 1000000, 3, 1, 1, 1e-5),
    ("f32", "mean 0, sd 1", 1000, 7, 0, 1, 1e-5),
    ("f32", "mean/sd 1e3", 1000, 7, 1e3, 1, 1e-5),
    ("f32", "mean/sd 1e5", 1000, 7, 1e5, 1, 1e-5),
    ("f32", "constant", 1000, 7, 0.1, 0, 1e-5),
    ("f32", "denormal, sd 1e-40", 1000, 7, 0, 1e-40, 1e-5),
    ("f32", "denormal, sd 1e-40, eps 0", 1000, 7, 0, 1e-40, 0),
    ("f32", "sd 1e19", 1000, 7, 0, 1e19, 1e-5),
    ("f32", "sd 5e37", 1000, 7, 0, 5e37, 1e-5),
    ("f32", "long, mean 1", 1000000, 3, 1, 1, 1e-5),
]] + [("2 to 5 rows", kind, rows, 3, 1, 1, 1e-5) for kind in ("f64", "f32") for rows in (2, 3, 4, 5)]


class Mat(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("rows", ctypes.c_ssize_t), ("cols", ctypes.c_ssize_t),
                ("ld", ctypes.c_ssize_t), ("layout", ctypes.c_int)]

    def __init__(self, a):
        """A view of an array of two dimensions that is contiguous in one of the orders."""
        row = a.flags.c_contiguous
        super().__init__(a.ctypes.data, *a.shape, a.shape[1] if row else a.shape[0], 101 if row else 102)


class Rule(ctypes.Structure):
    _fields_ = [("eps", ctypes.c_double), ("ddof", ctypes.c_double)]


class Gram(ctypes.Structure):
    _fields_ = [("rows", ctypes.c_ssize_t), ("cols", ctypes.c_ssize_t), ("weights", ctypes.c_void_p),
                ("n", ctypes.c_double), ("ddof", ctypes.c_double), ("xbar", ctypes.c_void_p), ("s", ctypes.c_void_p)]


class Line(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ssize_t), ("x", ctypes.c_void_p), ("g", ctypes.c_void_p), ("inputs", ctypes.c_ssize_t),
                ("w", ctypes.c_void_p), ("gamma", ctypes.c_void_p), ("beta", ctypes.c_void_p),
                ("step", ctypes.c_ssize_t), ("eps", ctypes.c_double), ("ddof", ctypes.c_double),
                ("given", ctypes.c_void_p)]


def pointer(a):
    return None if a is None else ctypes.c_void_p(a.ctypes.data)


class Exact:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)

    def line(self, x, w, gamma, beta, eps, g=None, given=None):
        """{mean, m2, rstd, dgamma, dbeta, zhat, y, dx} of one line; gamma and beta one or one for each value."""
        keep = [np.ascontiguousarray(a, np.float64) if a is not None else None for a in (x, g, w, gamma, beta, given)]
        x, g, w, gamma, beta, given = keep
        line = Line(len(x), x.ctypes.data, g.ctypes.data if g is not None else None, len(g) if g is not None else 0,
                    w.ctypes.data if w is not None else None, gamma.ctypes.data, beta.ctypes.data, int(gamma.size > 1),
                    eps, 0, given.ctypes.data if given is not None else None)
        sums, (zhat, y, dx) = np.zeros(5, LD), np.zeros((3, len(x)), LD)
        if self.library.bnorm_exact_line(ctypes.byref(line), pointer(sums), pointer(zhat), pointer(y), pointer(dx)):
            sys.exit("exact.py: no memory")
        return {**dict(zip(("mean", "m2", "rstd", "dgamma", "dbeta"), sums)), "zhat": zhat, "y": y, "dx": dx}

    def lines(self, x, w, gamma, beta, eps, given=None):
        """The columns of x: each result with the columns as rows."""
        found = [self.line(x[:, j], w[:, j], gamma[j:j + 1], beta[j:j + 1], eps,
                           given=None if given is None else [v[j] for v in given]) for j in range(x.shape[1])]
        return {key: np.array([f[key] for f in found]) for key in found[0]}

    def sums(self, a, b):
        a, b, out = np.ascontiguousarray(a), np.ascontiguousarray(b, np.float64), np.zeros(a.shape[1], LD)
        self.library.bnorm_exact_sums(ctypes.c_ssize_t(a.shape[0]), ctypes.c_ssize_t(a.shape[1]), pointer(a),
                                      pointer(b), pointer(out))
        return out


class Ours:
    def __init__(self, path, dtype):
        self.library, self.suffix, self.dtype = ctypes.CDLL(path), "_f64" if dtype == np.float64 else "_f32", dtype

    def call(self, name, *arguments):
        given = [pointer(a) if isinstance(a, np.ndarray) else a for a in arguments]
        status = getattr(self.library, "bnorm_" + name + self.suffix)(None, *given)
        if status:
            sys.exit(f"exact.py: {name} failed with status {status}")

    def forward(self, x, w, gamma, beta, eps):
        """Moments, forward and backward; matrices as columns in rows."""
        p, y, dx = x.shape[1], np.zeros_like(x), np.zeros_like(x)
        n, (mean, m2, mu, rstd) = np.zeros(1), np.zeros((4, p))
        dgamma, dbeta = np.zeros((2, p), self.dtype)
        self.call("moments", Mat(x), None, n, mean, m2)
        self.call("forward", Mat(x), None, gamma, beta, Rule(eps, 0), Mat(y), mu, rstd)
        self.call("backward", Mat(x), Mat(w), None, gamma, mu, rstd, Rule(eps, 0), Mat(dx), dgamma, dbeta)
        return {"mean": mean, "m2": m2, "rstd": rstd, "y": y.T, "dx": dx.T, "dgamma": dgamma, "dbeta": dbeta}

    def infer(self, x, gamma, beta, mean, var, eps):
        y = np.zeros_like(x)
        self.call("infer", Mat(x), gamma, beta, mean, var, ctypes.c_double(eps), Mat(y))
        return y.T

    def layer(self, x, w, gamma, beta, eps):
        y, dx, (mean, rstd) = np.zeros_like(x), np.zeros_like(x), np.zeros((2, x.shape[0]))
        dgamma, dbeta = np.zeros((2, x.shape[1]), self.dtype)
        self.call("layernorm_forward", Mat(x), gamma, beta, ctypes.c_double(eps), Mat(y), mean, rstd)
        self.call("layernorm_backward", Mat(x), Mat(w), gamma, mean, rstd, Mat(dx), dgamma, dbeta)
        return y, dx, dgamma

    def dense(self, x, g1, gamma, beta, eps):
        p, b = x.shape[1], np.zeros((x.shape[0], g1.shape[1]), self.dtype, "C" if x.flags.c_contiguous else "F")
        xbar, s, gram, (mean, rstd) = np.zeros(2 * p), np.zeros((p, p)), Gram(), np.zeros((2, g1.shape[1]))
        self.call("gram", Mat(x), None, ctypes.c_double(0), xbar, s, ctypes.byref(gram))
        self.call("dense_forward", Mat(x), Mat(g1), ctypes.byref(gram), gamma, beta, ctypes.c_double(eps), Mat(b), mean,
                  rstd)
        return b.T


class Cell:
    """What peers.py looks at: the case's own buffers."""
    threads = 1

    def __init__(self, op, x, w, **vectors):
        self.op, self.f32, (self.rows, self.cols) = op, x.dtype == np.float32, x.shape
        self.col_major = not x.flags.c_contiguous
        self.buffers = {"x": x, "dy": w, "out": np.zeros_like(x), **vectors}

    def bytes_of(self, name):
        return self.buffers[name].ravel("K").view(np.uint8).data


def in_ulp(got, truth, size, dtype):
    """The largest |got - truth| in ulp of dtype at `size`; inf for what is not finite and should be."""
    with np.errstate(all="ignore"):
        got = np.asarray(got)
        limit = np.finfo(dtype)
        _, exponent = np.frexp(np.maximum(np.abs(size), LD(limit.tiny)))
        ulp = np.ldexp(LD(1), exponent - 1 - limit.nmant)
        error = np.abs(got.astype(LD) - truth) / ulp
        over = np.abs(truth) > LD(limit.max)
        error = np.where(over, np.where(np.isinf(got), 0, np.inf), error)
        return float(np.max(np.where(np.isnan(error), np.inf, error)))


def top(a):
    return np.max(np.abs(a), axis=1, keepdims=True)


def sizes(x, w, gamma, truth):
    """Where an ulp is taken: see the top of this file."""
    n = LD(x.shape[0])
    zhat, wt = truth["zhat"], w.T.astype(LD)
    p, q = (truth[key][:, None] / n for key in ("dbeta", "dgamma"))
    terms = np.maximum(np.maximum(top(wt), np.abs(p)), top(zhat * q))
    return {"mean": top(x.T)[:, 0], "m2": truth["m2"], "rstd": truth["rstd"], "y": top(truth["y"]),
            "dx": np.abs(gamma.astype(LD) * truth["rstd"])[:, None] * terms,
            "dgamma": np.maximum(np.abs(truth["dgamma"]), top(zhat * wt)[:, 0]),
            "dbeta": np.maximum(np.abs(truth["dbeta"]), top(wt)[:, 0])}


def data(kind, rows, cols, mean, sd):
    """x and dy in row-major order, gamma, beta, the weights of a dense layer."""
    random, dtype = np.random.default_rng(1), np.float64 if kind == "f64" else np.float32
    limit = np.finfo(dtype).max / 2
    x = np.clip(random.standard_normal((rows, cols)) * sd + mean, -limit, limit)
    given = (x, random.standard_normal((rows, cols)), 1.5 + random.random(cols), random.standard_normal(cols),
             random.standard_normal((cols, UNITS)))
    return [a.astype(dtype) for a in given]


def peer_results(found, x, w, gamma, beta, eps):
    """{name: (y, dx)} with the columns as rows."""
    peers.EPS, results = eps, {}
    with np.errstate(all="ignore"):
        own = {"mean": x.mean(axis=0).astype(np.float64), "var": x.var(axis=0).astype(np.float64)}
        own["rstd"] = 1 / np.sqrt(own["var"] + eps)
        for peer in found:
            name = "PyTorch" if isinstance(peer, peers.Torch) else "NumPy textbook"
            both = []
            for op in ("forward", "backward"):
                cell = Cell(op, x, w, gamma=gamma, beta=beta, **own)
                a = np.asarray(peer.functions(cell)[name]()[0]) if name == "PyTorch" or op == "backward" \
                    else np.asarray(peer.functions(cell)[name]())
                both.append(a.reshape(x.shape[1], -1) if a.ndim == 3 else a.T)
            results[name] = both
    return results


def from_r(x, w, gamma, beta, eps):
    """R's y and dx, double alone; None without R."""
    if x.dtype != np.float64 or not shutil.which("Rscript"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        given, taken = os.path.join(folder, "in"), os.path.join(folder, "out")
        np.concatenate([[*x.shape, eps], x.ravel("F"), w.ravel("F"), gamma, beta]).tofile(given)
        subprocess.run(["Rscript", os.path.join(os.path.dirname(__file__), "exact.R"), given, taken], check=True)
        return np.fromfile(taken).reshape(2, *x.shape[::-1])


class Case:
    def __init__(self, exact, kind, rows, cols, mean, sd, eps):
        self.x, self.w, self.gamma, self.beta, self.g1 = data(kind, rows, cols, mean, sd)
        self.eps, self.dtype, x = eps, self.x.dtype, self.x
        self.truth = exact.lines(x, self.w, self.gamma, self.beta, eps)
        self.size = sizes(x, self.w, self.gamma, self.truth)
        self.mean = self.truth["mean"].astype(np.float64) * (1 + 1e-3) + 0.1 * sd
        self.var = (self.truth["m2"] / rows).astype(np.float64) * 1.1
        self.none = np.zeros_like(self.beta)
        self.infer = [exact.lines(x, self.w, self.gamma, b, eps, given=(self.mean, self.var))["y"]
                      for b in (self.beta, self.none)]
        random = np.random.default_rng(2)
        self.wide = [(1.5 + random.random(rows)).astype(self.dtype), random.standard_normal(rows).astype(self.dtype)]
        self.layer = [exact.line(x[:, j], self.w[:, j], *self.wide, eps) for j in range(cols)]
        self.layer = {key: np.array([line[key] for line in self.layer]) for key in ("zhat", "y", "dx", "rstd")}
        self.layer["dgamma"] = exact.sums(self.layer["zhat"], self.w.T)
        unit = np.ones(UNITS), np.zeros(UNITS)
        self.unit = [v.astype(self.dtype) for v in unit]
        self.dense = np.array([exact.line(x, None, *(v[:1] for v in unit), eps, g=self.g1[:, j])["y"]
                               for j in range(UNITS)])

    def ours(self, library, order):
        """{quantity: error in ulp} in one layout."""
        ours, dtype = Ours(library, self.dtype), self.dtype
        x, w, g1 = (np.array(a, order=order) for a in (self.x, self.w, self.g1))
        got, errors = ours.forward(x, w, self.gamma, self.beta, self.eps), {}
        self.results = {"bnorm": (got["y"], got["dx"])}
        for key, value in got.items():
            kind = np.float64 if key in ("mean", "m2", "rstd") else dtype
            errors[key] = in_ulp(value, self.truth[key], self.size[key], kind)
        y = ours.infer(x, self.gamma, self.beta, self.mean, self.var, self.eps)
        errors["infer"] = in_ulp(y, self.infer[0], top(self.infer[0]), dtype)
        y = ours.infer(x, self.gamma, self.none, self.mean, self.var, self.eps)
        errors["infer, own"] = in_ulp(y, self.infer[1], self.infer[1], dtype)
        y, dx, dgamma = ours.layer(np.array(self.x.T, order=order), np.array(self.w.T, order=order), *self.wide, self.eps)
        truth, wt = self.layer, self.w.T.astype(LD)
        u = wt * self.wide[0]
        slope = np.mean(truth["zhat"] * u, axis=1)[:, None]
        terms = np.maximum(top(u), top(truth["zhat"] * slope)) * truth["rstd"][:, None]
        errors["ln y"] = in_ulp(y, truth["y"], top(truth["y"]), dtype)
        errors["ln dx"] = in_ulp(dx, truth["dx"], terms, dtype)
        size = np.maximum(np.abs(truth["dgamma"]), np.max(np.abs(top(truth["zhat"]) * wt), axis=0))
        errors["ln dgamma"] = in_ulp(dgamma, truth["dgamma"], size, dtype)
        errors["dense b"] = in_ulp(ours.dense(x, g1, *self.unit, self.eps), self.dense, top(self.dense), dtype)
        return errors

    def beside(self, found, order):
        """{name: (error of y, of dx)} in one layout, after ours()."""
        x, w = (np.array(a, order=order) for a in (self.x, self.w))
        results = {**self.results, **peer_results(found, x, w, self.gamma, self.beta, self.eps)}
        if order == "F":
            results["R"] = from_r(x, w, self.gamma, self.beta, self.eps)
        return {name: [in_ulp(a, self.truth[key], self.size[key], self.dtype) for a, key in zip(both, ("y", "dx"))]
                for name, both in results.items() if both is not None}


def text(value):
    return "" if value is None else f"{value:.2g}" if value < 1000 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")


def worst(records, place, values):
    """Keeps the larger of each value where a place comes again."""
    kept = records.get(place, values)
    records[place] = [b if a is None else max(a, b) for a, b in zip(kept, values)]


def table(head, records):
    rows = [[*place] + [text(value) for value in values] for place, values in records.items()]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head)] + rows) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n")[0])
    module = os.path.join(sys.argv[1], "bench", "libbench_exact.so")
    if not os.path.exists(module):
        sys.exit(f"exact.py: no {module}: MPFR (libmpfr-dev) was not there when it was built")
    exact, library = Exact(module), os.path.join(sys.argv[1], "src", "libbnorm.so")
    found, absent = peers.available()
    for name in absent:
        print(f"exact.py: {name} is not installed: not in this run", file=sys.stderr)
    ours, others = {}, {}
    for what, *numbers in CASES:
        case = Case(exact, *numbers)
        for order, layout in (("C", "row"), ("F", "column")):
            place, errors = (what, numbers[0], layout), case.ours(library, order)
            worst(ours, place, [errors[q] for q in QUANTITIES])
            beside = case.beside(found, order)
            worst(others, place, [beside.get(name, (None, None))[k] for k in (0, 1) for name in PEERS])
    head = ["data", "type", "layout"]
    print(table(head + QUANTITIES, ours))
    print(table(head + [f"{key}: {name}" for key in ("y", "dx") for name in PEERS], others))


if __name__ == "__main__":
    main()
