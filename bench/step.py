"""step.py MODULE [--json FILE] [--networks 1,2,...] [--threads 1,2] [--seconds S]

The training step (forward, loss, backward, update; double precision) of seven networks: bnorm beside
PyTorch's autograd step, and beside the matrix products of the same step alone, each one call of the BLAS.
Batch normalisation has divisor N and eps 1e-5, the update is plain gradient descent. All sides run in this
process, on the same BLAS, and are measured in turn: the figures are medians. First the gradients of both at
the same parameters are compared, so that both do the same work. With two threads the BLAS of PyTorch and of
the products alone has two as well; PyTorch gets the better of that and a BLAS of one thread. The last two
networks stream: their rows do not change, and their Gram matrix is made before the first step.
"""
import argparse
import ctypes
import json
import os
import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("step.py: python3-torch is not installed: ./setup packages bench installs it")

# rows, widths, activation, loss, bounds: times faster than PyTorch and time over the products alone, 1 thread;
# of those that stream the same bounds with 2 threads
NETWORKS = [
    (10, [7, 4, 1], "relu", "squared", 50, None),
    (2000, [50, 64, 1], "relu", "squared", 3, 1.25),
    (60, [784, 100, 100, 100, 10], "logistic", "softmax", 2.7, 1.10),
    (4096, [1024, 1024, 1024], "relu", "squared", 1, 1.04),
    (200000, [50, 64, 64, 1], "relu", "squared", 3, 1.0),
    (20000, [100, 64, 1], "relu", "squared", 2, 0.75, (4, 0.35)),
    (200000, [50, 32, 1], "relu", "squared", 3.5, 0.75, (9, 0.35)),
]
RATE = 1e-3
DOUBLES = ctypes.POINTER(ctypes.c_double)


def open_module(path):
    module = ctypes.CDLL(path)
    module.bench_step_open.restype = ctypes.c_void_p
    module.bench_step_open.argtypes = [ctypes.c_long, ctypes.POINTER(ctypes.c_long), ctypes.c_int,
                                       ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
    for name, result, arguments in (("stream", ctypes.c_int, []), ("x", DOUBLES, []), ("y", DOUBLES, []), ("close", None, []),
                                    ("parameters", DOUBLES, [ctypes.POINTER(ctypes.c_long)]),
                                    ("gradient", ctypes.c_double, [ctypes.c_void_p]),
                                    ("time", ctypes.c_double, [ctypes.c_long, ctypes.c_double]),
                                    ("products", ctypes.c_double, [ctypes.c_long])):
        function = getattr(module, "bench_step_" + name)
        function.restype, function.argtypes = result, [ctypes.c_void_p] + arguments
    return module


def blas():
    """The OpenBLAS that all sides have loaded, or None."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "libopenblas" in line}
    if len(paths) > 1:
        sys.exit("step.py: more than one BLAS is loaded: " + ", ".join(sorted(paths)))
    if not paths:
        return None
    library = ctypes.CDLL(paths.pop())
    library.openblas_get_corename.restype = ctypes.c_char_p
    library.openblas_get_config.restype = ctypes.c_char_p
    return library


def tensor(pointer, *shape):
    count = 1
    for size in shape:
        count *= size
    values = (ctypes.c_double * count).from_address(ctypes.addressof(pointer.contents))
    return torch.frombuffer(values, dtype=torch.float64).reshape(shape).clone()


class Peer:
    """The same network in PyTorch, at the parameters of ours."""

    def __init__(self, module, step, spec):
        self.rows, widths, activation, self.loss = spec[:4]
        count = ctypes.c_long()
        vector = module.bench_step_parameters(step, ctypes.byref(count))
        self.count, at = count.value, 0
        vector = tensor(vector, self.count)
        layers, self.order = [], []
        for k, (a, b) in enumerate(zip(widths, widths[1:])):
            last = k == len(widths) - 2
            dense = torch.nn.Linear(a, b, bias=last)
            parts = [(dense.weight, a * b, lambda v, a=a, b=b: v.reshape(a, b).T)]
            layers.append(dense)
            if last:
                parts.append((dense.bias, b, lambda v: v))
            else:
                norm = torch.nn.BatchNorm1d(b)
                layers += [norm, torch.nn.ReLU() if activation == "relu" else torch.nn.Sigmoid()]
                parts += [(norm.weight, b, lambda v: v), (norm.bias, b, lambda v: v)]
            self.order += parts
        self.net = torch.nn.Sequential(*layers).double()
        with torch.no_grad():
            for parameter, size, shaped in self.order:
                parameter.copy_(shaped(vector[at:at + size]))
                at += size
        targets = 1 if self.loss == "softmax" else widths[-1]
        self.x = tensor(module.bench_step_x(step), self.rows, widths[0])
        self.y = tensor(module.bench_step_y(step), self.rows, targets)
        if self.loss == "softmax":
            self.y = self.y.reshape(-1).long()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=RATE)

    def value(self):
        scores = self.net(self.x)
        if self.loss == "softmax":
            return torch.nn.functional.cross_entropy(scores, self.y)
        return torch.nn.functional.mse_loss(scores, self.y) * self.y.shape[1]

    def gradient(self):
        self.optimizer.zero_grad()
        loss = self.value()
        loss.backward()
        flat = [p.grad.T.reshape(-1) if p.dim() == 2 else p.grad for p, _, _ in self.order]
        return loss.item(), torch.cat(flat)

    def time(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.value().backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / steps


def compare(module, step, peer):
    values = (ctypes.c_double * peer.count)()
    value = module.bench_step_gradient(step, values)
    loss, theirs = peer.gradient()
    ours = torch.tensor(list(values), dtype=torch.float64)
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    if abs(value - loss) > 1e-11 * abs(value) or not error < 1e-9:
        sys.exit(f"step.py: the gradients differ by {error:.2g} of the largest entry")


def quiet(threads):
    """Idle threads of one pool spin for a while; wait until they sleep."""
    if threads > 1:
        time.sleep(0.1)


def measure(module, library, spec, threads, seconds):
    widths = (ctypes.c_long * len(spec[1]))(*spec[1])
    step = module.bench_step_open(spec[0], widths, len(spec[1]), spec[2].encode(), spec[3].encode(), threads)
    if not step or (streams(spec) and module.bench_step_stream(step)):
        sys.exit("step.py: the network could not be made")
    torch.set_num_threads(threads)
    peer = Peer(module, step, spec)

    def blas_threads(count):
        if library:
            library.openblas_set_num_threads(count)

    blas_threads(1)
    compare(module, step, peer)
    sides = {"bnorm": (threads, lambda n: module.bench_step_time(step, n, RATE)),
             "products": (threads, lambda n: module.bench_step_products(step, n)),
             "torch": (threads, peer.time)}
    if threads > 1:
        sides["torch, BLAS 1"] = (1, peer.time)
    times, steps = {name: [] for name in sides}, {}
    for name, (count, run) in sides.items():
        blas_threads(count)
        quiet(threads)
        run(1)
        steps[name] = max(1, min(5000, int(0.03 / max(run(1), 1e-7))))
    end = time.perf_counter() + seconds
    while len(times["bnorm"]) < 3 or (time.perf_counter() < end and len(times["bnorm"]) < 31):
        for name, (count, run) in sides.items():
            blas_threads(count)
            quiet(threads)
            times[name].append(run(steps[name]))
    module.bench_step_close(step)
    figures = {name: statistics.median(values) for name, values in times.items()}
    figures["torch"] = min(v for name, v in figures.items() if name.startswith("torch"))
    return figures


def streams(spec):
    return len(spec) > 6


def name_of(spec):
    return f"{spec[0]} rows, " + "-".join(map(str, spec[1])) + (", stream" if streams(spec) else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--json")
    parser.add_argument("--networks", default="1,2,3,4,5,6,7")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=2)
    given = parser.parse_args()
    module, library = open_module(given.module), blas()
    core = library.openblas_get_config().decode() if library else "another BLAS"
    print(f"training step, double, PyTorch {torch.__version__}, {core.strip()}")
    print(f"{'network':34} {'threads':>7} {'bnorm us':>10} {'products us':>11} {'torch us':>10} "
          f"{'/products':>9} {'torch/':>7}   bounds: /products, torch/")
    records, single = [], {}
    threads = [t for t in map(int, given.threads.split(",")) if t <= len(os.sched_getaffinity(0))]
    for number in map(int, given.networks.split(",")):
        spec = NETWORKS[number - 1]
        for count in threads:
            f = measure(module, library, spec, count, given.seconds)
            over, faster = f["bnorm"] / f["products"], f["torch"] / f["bnorm"]
            note = ""
            if count == 1:
                single[number] = f["bnorm"]
            if count == 1 or (count == 2 and streams(spec)):
                least, most = spec[4:6] if count == 1 else spec[6]
                bound = "-" if most is None else f"{most:.2f}"
                met = faster >= least and (most is None or over <= most)
                note = f"{bound}, {least}: {'met' if met else 'not met'}"
            elif number in single:
                gain = single[number] / f["bnorm"]
                note = f"{gain:.2f} times one thread" + (" (1.8)" if number > 3 else "")
            print(f"{name_of(spec):34} {count:7} {1e6 * f['bnorm']:10.1f} {1e6 * f['products']:11.1f} "
                  f"{1e6 * f['torch']:10.1f} {over:9.2f} {faster:7.2f}   {note}", flush=True)
            records.append({"op": "stream step" if streams(spec) else "step", "type": "f64", "layout": "row", "rows": spec[0],
                            "cols": "-".join(map(str, spec[1])), "threads": count, "over_limit": round(over, 4),
                            "peers": {"torch": round(faster, 4)}})
    if given.json:
        with open(given.json, "w") as out:
            json.dump(records, out, indent=1)
            out.write("\n")


if __name__ == "__main__":
    main()
