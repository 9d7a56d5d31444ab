"""accuracy.py MODULE [--json FILE]: how exact the matrix functions are at the speed that compare.py measures.

The largest error of y (forward) and of dx (backward, each side with its own statistics; over the largest dx)
against long double, gamma 1.5, eps 1e-5, for data that single-pass and float sums find hard. One thread.
"""
import argparse
import sys

try:
    import numpy as np
except ImportError:
    sys.exit("accuracy.py: NumPy is not installed: ./setup packages bench installs it")

import compare
import peers
import report

# what, type, rows, columns, mean, standard deviation
CASES = [
    ("mean 0, sd 1", "f32", 65536, 64, 0, 1),
    ("mean 1, sd 1", "f32", 1048576, 16, 1, 1),
    ("mean 1e4, sd 0.1", "f32", 1048576, 16, 1e4, 0.1),
    ("64 rows at 1e4, the rest mean 0, sd 1", "f32", 65536, 64, None, 1),
    ("mean 1, sd 1", "f64", 1048576, 16, 1, 1),
    ("mean 1e9, sd 1", "f64", 1048576, 16, 1e9, 1),
]
GAMMA = 1.5
NAMES = ["bnorm", "PyTorch", "oneDNN", "NumPy tuned", "NumPy textbook"]


def data(rows, cols, mean, sd, dtype):
    """x and dy with the columns as rows."""
    random = np.random.default_rng(1)
    x = random.standard_normal((cols, rows)) * sd + (mean or 0)
    if mean is None:
        x[:, :64] += 1e4
    return x.astype(dtype), random.standard_normal((cols, rows)).astype(dtype)


def reference(x, dy):
    """B1-B3 in long double, column by column: y and dx."""
    y, dx = np.empty(x.shape, np.longdouble), np.empty(x.shape, np.longdouble)
    for c, (column, w) in enumerate(zip(x.astype(np.longdouble), dy.astype(np.longdouble))):
        centred = column - column.mean()
        centred -= centred.mean()
        rstd = 1 / np.sqrt((centred * centred).mean() + np.longdouble(peers.EPS))
        zhat = centred * rstd
        y[c] = GAMMA * zhat
        dx[c] = GAMMA * rstd * (w - w.mean() - zhat * (zhat * w).mean())
    return y, dx


class Layout:
    """The open shape in one layout: fills its buffers and looks at results with the columns as rows."""

    def __init__(self, module, f32, col_major, rows, cols):
        self.module, self.f32, self.col_major = module, f32, col_major
        self.rows, self.cols = rows, cols

    def cell(self, op):
        return compare.Cell(self.module, op, self.f32, self.col_major, self.rows, self.cols, 1)

    def fill(self, x, dy):
        cell = self.cell("forward")
        for name, values in (("x", x), ("dy", dy)):
            flat = np.frombuffer(cell.bytes_of(name), x.dtype)[:x.size]
            flat[:] = (values if self.col_major else values.T).reshape(-1)

    def look(self, values):
        shape = (self.cols, self.rows) if self.col_major else (self.rows, self.cols)
        values = np.asarray(values)
        if values.shape == (self.rows, self.cols):
            return values.T
        values = values.reshape(shape)
        return values if self.col_major else values.T

    def out(self, cell):
        return self.look(np.frombuffer(cell.bytes_of("out"), np.float32 if self.f32 else np.float64)
                         [:self.rows * self.cols])


def largest(values, truth):
    return max(float(np.max(np.abs(v.astype(np.longdouble) - t))) for v, t in zip(values, truth))


def errors(layout, found, y, dx):
    """{name: (error of y, relative error of dx or None)}"""
    result, size = {}, float(np.max(np.abs(dx)))
    cell = layout.cell("forward")
    if layout.module.bench_has(compare.ONEDNN):
        layout.module.bench_time(compare.ONEDNN, 1)
        result["oneDNN"] = (largest(layout.out(cell), y), None)
    for peer in found:
        for name, run in peer.functions(cell).items():
            values = run()
            values = values[0] if isinstance(values, tuple) else values
            result[name] = (largest(layout.out(cell) if values is None else layout.look(values), y), None)
    layout.module.bench_time(compare.OURS, 1)
    ours = largest(layout.out(cell), y)
    cell = layout.cell("backward")
    layout.module.bench_time(compare.OURS, 1)
    result["bnorm"] = (ours, largest(layout.out(cell), dx) / size)
    for peer in found:
        if isinstance(peer, peers.Torch):
            values = peer.functions(cell)["PyTorch"]()[0]
            result["PyTorch"] = (result["PyTorch"][0], largest(layout.look(values), dx) / size)
    return result


def text(value):
    return "-" if value is None else f"{value:.1e}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--json")
    given = parser.parse_args()
    module = compare.open_module(given.module)
    found, _ = peers.available()
    records = []
    print("largest error against long double, 1 thread: of y, and of dx over the largest dx")
    print(f"{'data':38} {'':3} {'':3} {'shape':>12}  y: " + ", ".join(NAMES) + "; dx: bnorm, PyTorch")
    for what, kind, rows, cols, mean, sd in CASES:
        x, dy = data(rows, cols, mean, sd, np.float32 if kind == "f32" else np.float64)
        y, dx = reference(x, dy)
        if module.bench_open(rows, cols, kind == "f32"):
            sys.exit(f"accuracy.py: no memory for {rows} x {cols}")
        for col_major in (False, True):
            layout = Layout(module, kind == "f32", col_major, rows, cols)
            layout.fill(x, dy)
            result = errors(layout, found, y, dx)
            name = "col" if col_major else "row"
            print(f"{what:38} {kind} {name} {f'{rows} x {cols}':>12}  "
                  + " ".join(f"{text(result.get(n, (None,))[0]):>8}" for n in NAMES) + "  "
                  + " ".join(f"{text(result.get(n, (0, None))[1]):>8}" for n in NAMES[:2]), flush=True)
            records.append({"data": what, "type": kind, "layout": name, "rows": rows, "cols": cols,
                            "y": {n: v[0] for n, v in result.items()},
                            "dx": {n: v[1] for n, v in result.items() if v[1] is not None}})
        module.bench_close()
    if given.json:
        report.write(given.json, records, [])


if __name__ == "__main__":
    main()
