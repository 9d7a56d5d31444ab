"""The peers: PyTorch and NumPy on the buffers of the shape that is open, as functions without arguments.

Each peer answers `functions(cell)`: a dictionary from a name to a function that does the work of the cell.
Their outputs lie in recycled memory: malloc keeps what is freed, so that none pays for fresh pages.
"""
EPS = 1e-5


class Numpy:
    """The textbook form, an expression a formula; and a tuned one, chunk by chunk in place."""

    def __init__(self):
        import numpy
        self.np = numpy
        self.version = "NumPy " + numpy.__version__

    def array(self, cell, name):
        dtype = self.np.float32 if cell.f32 else self.np.float64
        flat = self.np.frombuffer(cell.bytes_of(name), dtype=dtype)
        if cell.col_major:
            return flat[:cell.rows * cell.cols].reshape(cell.cols, cell.rows).T
        return flat[:cell.rows * cell.cols].reshape(cell.rows, cell.cols)

    def vector(self, cell, name):
        data = name in ("gamma", "beta")
        dtype = self.np.float32 if data and cell.f32 else self.np.float64
        return self.np.frombuffer(cell.bytes_of(name), dtype=dtype)[:cell.cols]

    def functions(self, cell):
        if cell.threads > 1 or cell.op not in ("forward", "backward", "infer"):
            return {}
        np = self.np
        x, dy, out = (self.array(cell, name) for name in ("x", "dy", "out"))
        g, b = self.vector(cell, "gamma"), self.vector(cell, "beta")
        mean, rstd = (self.vector(cell, name).astype(x.dtype) for name in ("mean", "rstd"))
        var = self.vector(cell, "var").astype(x.dtype)
        n = x.dtype.type(cell.rows)

        def forward():
            m = x.mean(axis=0)
            v = x.var(axis=0)
            return g * ((x - m) / np.sqrt(v + x.dtype.type(EPS))) + b

        def infer():
            return g * ((x - mean) / np.sqrt(var + x.dtype.type(EPS))) + b

        def backward():
            zhat = (x - mean) * rstd
            dbeta = dy.sum(axis=0)
            dgamma = (dy * zhat).sum(axis=0)
            return g * rstd * (dy - dbeta / n - zhat * (dgamma / n)), dgamma, dbeta

        if cell.col_major:
            tuned = TunedColumns(np, x.T, dy.T, out.T, g, b, mean, rstd, var)
        else:
            tuned = TunedRows(np, x, dy, out, g, b, mean, rstd, var)
        return {"NumPy textbook": locals()[cell.op], "NumPy tuned": getattr(tuned, cell.op)}


CHUNK = 1 << 18  # bytes: stays in the second cache


class TunedRows:
    """Row-major: chunks of rows, sums in double over the chunks, shifted by the first row."""

    def __init__(self, np, x, dy, out, g, b, mean, rstd, var):
        self.np, self.x, self.dy, self.out, self.g, self.b = np, x, dy, out, g, b
        self.mean, self.rstd, self.var = mean, rstd, var
        self.step = max(1, CHUNK // (x.itemsize * x.shape[1]))
        self.room = np.empty((2, min(self.step, len(x)), x.shape[1]), x.dtype)

    def chunks(self):
        for begin in range(0, len(self.x), self.step):
            end = min(begin + self.step, len(self.x))
            yield slice(begin, end), self.room[0, :end - begin], self.room[1, :end - begin]

    def apply(self, mean, scale):
        for part, _, _ in self.chunks():
            out = self.out[part]
            self.np.subtract(self.x[part], mean, out=out)
            self.np.multiply(out, scale, out=out)
            self.np.add(out, self.b, out=out)

    def forward(self):
        np, n = self.np, len(self.x)
        pivot, s, q = self.x[0], 0.0, 0.0
        for part, room, _ in self.chunks():
            np.subtract(self.x[part], pivot, out=room)
            s = s + room.sum(axis=0)
            q = q + np.einsum("ij,ij->j", room, room)
        var = np.maximum(q / n - (s / n) ** 2, 0)
        rstd = 1 / np.sqrt(var + EPS)
        self.apply((pivot + s / n).astype(self.x.dtype), (self.g * rstd).astype(self.x.dtype))

    def infer(self):
        self.apply(self.mean, (self.g / self.np.sqrt(self.var + EPS)).astype(self.x.dtype))

    def backward(self):
        np, n = self.np, len(self.x)
        dbeta, dgamma = 0.0, 0.0
        for part, room, _ in self.chunks():
            np.subtract(self.x[part], self.mean, out=room)
            dbeta = dbeta + self.dy[part].sum(axis=0)
            dgamma = dgamma + np.einsum("ij,ij->j", room, self.dy[part])
        dgamma = dgamma * self.rstd
        a = (self.g * self.rstd).astype(self.x.dtype)
        b = (dbeta / n).astype(self.x.dtype)
        c = (dgamma * self.rstd / n).astype(self.x.dtype)
        for part, room, _ in self.chunks():
            out = self.out[part]
            np.subtract(self.x[part], self.mean, out=room)
            np.multiply(room, c, out=room)
            np.subtract(self.dy[part], b, out=out)
            np.subtract(out, room, out=out)
            np.multiply(out, a, out=out)


class TunedColumns:
    """Column-major (given transposed): chunks of columns, each from cache after the first pass."""

    def __init__(self, np, x, dy, out, g, b, mean, rstd, var):
        self.np, self.x, self.dy, self.out = np, x, dy, out
        self.g, self.b, self.mean, self.rstd, self.var = (v[:, None] for v in (g, b, mean, rstd, var))
        self.step = max(1, CHUNK // (x.itemsize * x.shape[1]))
        self.room = np.empty((min(self.step, len(x)), x.shape[1]), x.dtype)

    def chunks(self):
        for begin in range(0, len(self.x), self.step):
            end = min(begin + self.step, len(self.x))
            yield slice(begin, end), self.room[:end - begin]

    def forward(self):
        np, n, type_ = self.np, self.x.shape[1], self.x.dtype.type
        for part, _ in self.chunks():
            out = self.out[part]
            np.subtract(self.x[part], self.x[part].mean(axis=1, keepdims=True), out=out)
            var = np.einsum("ij,ij->i", out, out)[:, None] / type_(n)
            np.multiply(out, self.g[part] / np.sqrt(var + type_(EPS)), out=out)
            np.add(out, self.b[part], out=out)

    def infer(self):
        np = self.np
        for part, _ in self.chunks():
            out = self.out[part]
            np.subtract(self.x[part], self.mean[part], out=out)
            np.multiply(out, self.g[part] / np.sqrt(self.var[part] + out.dtype.type(EPS)), out=out)
            np.add(out, self.b[part], out=out)

    def backward(self):
        np, n = self.np, self.x.dtype.type(self.x.shape[1])
        for part, room in self.chunks():
            out, dy = self.out[part], self.dy[part]
            np.subtract(self.x[part], self.mean[part], out=room)
            np.multiply(room, self.rstd[part], out=room)
            dbeta = dy.sum(axis=1, keepdims=True)
            dgamma = np.einsum("ij,ij->i", room, dy)[:, None]
            np.multiply(room, dgamma / n, out=room)
            np.subtract(dy, dbeta / n, out=out)
            np.subtract(out, room, out=out)
            np.multiply(out, self.g[part] * self.rstd[part], out=out)


class Torch:
    """ATen's own functions, without autograd. Row-major data as (N, p), column-major as (1, p, N)."""

    def __init__(self):
        import torch
        self.torch = torch
        self.version = "PyTorch " + torch.__version__
        torch.set_grad_enabled(False)

    def matrix(self, cell, name):
        flat = self.torch.frombuffer(cell.bytes_of(name), dtype=self.type(cell))[:cell.rows * cell.cols]
        return flat.reshape(1, cell.cols, cell.rows) if cell.col_major else flat.reshape(cell.rows, cell.cols)

    def type(self, cell):
        return self.torch.float32 if cell.f32 else self.torch.float64

    def functions(self, cell):
        torch, aten = self.torch, self.torch.ops.aten
        torch.set_num_threads(cell.threads)
        if cell.op.startswith("layernorm"):
            return {} if cell.col_major else {"PyTorch": self.layernorm(cell)}
        x, dy, out = (self.matrix(cell, name) for name in ("x", "dy", "out"))
        g, b = (torch.frombuffer(cell.bytes_of(name), dtype=self.type(cell))[:cell.cols]
                for name in ("gamma", "beta"))
        _, mean, rstd = torch.native_batch_norm(x, g, b, None, None, True, 0.1, EPS)
        running = (torch.zeros(cell.cols, dtype=self.type(cell)), torch.ones(cell.cols, dtype=self.type(cell)))
        # one function each: what is called is all that is timed
        if "_" in cell.op:
            return {"PyTorch": self.fused(cell, x, dy, g, b, mean, rstd)}
        if cell.op == "backward":
            call, mask = aten.native_batch_norm_backward.default, [True, True, True]
            return {"PyTorch": lambda: call(dy, x, g, None, None, mean, rstd, True, EPS, mask)}
        train = cell.op == "forward"
        given = (x, g, b, None, None, True, 0.1, EPS) if train else (x, g, b, *running, False, 0.1, EPS)
        call = torch.native_batch_norm
        return {"PyTorch": lambda: call(*given)}

    def fused(self, cell, x, dy, g, b, mean, rstd):
        """The normalisation and then the activation in place; its backward takes the activation's output."""
        aten, mask = self.torch.ops.aten, [True, True, True]
        call, activate = self.torch.native_batch_norm, getattr(self.torch, cell.op.split("_")[1] + "_")
        if cell.op.startswith("forward"):
            return lambda: activate(call(x, g, b, None, None, True, 0.1, EPS)[0])
        y = activate(call(x, g, b, None, None, True, 0.1, EPS)[0])
        through, back = aten.tanh_backward.default, aten.native_batch_norm_backward.default
        return lambda: back(through(dy, y), x, g, None, None, mean, rstd, True, EPS, mask)

    def layernorm(self, cell):
        torch, aten, p = self.torch, self.torch.ops.aten, cell.cols
        x, dy = self.matrix(cell, "x"), self.matrix(cell, "dy")
        g, b = (torch.frombuffer(cell.bytes_of(name), dtype=self.type(cell))[:p] for name in ("gamma", "beta"))
        call, back = torch.native_layer_norm, aten.native_layer_norm_backward.default
        if cell.op == "layernorm":
            return lambda: call(x, (p,), g, b, EPS)
        _, mean, rstd = call(x, (p,), g, b, EPS)
        return lambda: back(dy, x, [p], mean, rstd, g, b, [True, True, True])


def available():
    """The peers that are installed, and what is not."""
    found, absent = [], []
    for peer in (Torch, Numpy):
        try:
            found.append(peer())
        except ImportError:
            absent.append(peer.__name__)
    return found, absent
