"""step.py MODULE: the training step of the question's network beside PyTorch's autograd step.

10 rows, 7 -> 4 -> 1, double precision, batch normalisation with divisor N and eps 1e-5, ReLU, mean of
squares, gradient descent; both in this process on one thread, medians of interleaved runs. First the
two gradients at the same parameters are compared, so that both do the same work.
"""
import ctypes
import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("step.py: python3-torch is not installed: ./setup packages bench installs it")

ROWS, INPUTS, HIDDEN = 10, 7, 4
SIZES = [("x", ROWS * INPUTS), ("y", ROWS), ("G1", INPUTS * HIDDEN), ("gamma", HIDDEN), ("beta", HIDDEN),
         ("G2", HIDDEN), ("bias", 1)]
RATE = 1e-3
RUNS = 31


def split(values, sizes):
    parts, at = {}, 0
    for name, size in sizes:
        parts[name] = torch.tensor(values[at:at + size], dtype=torch.float64)
        at += size
    return parts


def open_module(path):
    module = ctypes.CDLL(path)
    for function in (module.bench_step_gradient, module.bench_step_time):
        function.restype = ctypes.c_double
    module.bench_step_time.argtypes = [ctypes.c_long, ctypes.c_double]
    values = (ctypes.c_double * sum(size for _, size in SIZES))()
    if module.bench_step_open(values):
        sys.exit("step.py: the network could not be built")
    return module, split(list(values), SIZES)


def torch_network(data):
    network = torch.nn.Sequential(torch.nn.Linear(INPUTS, HIDDEN, bias=False), torch.nn.BatchNorm1d(HIDDEN),
                                  torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1)).double()
    with torch.no_grad():
        network[0].weight.copy_(data["G1"].reshape(INPUTS, HIDDEN).T)
        network[1].weight.copy_(data["gamma"])
        network[1].bias.copy_(data["beta"])
        network[3].weight.copy_(data["G2"].reshape(1, HIDDEN))
        network[3].bias.copy_(data["bias"])
    return network


def torch_loss(network, data):
    return ((network(data["x"].reshape(ROWS, INPUTS)) - data["y"].reshape(ROWS, 1)) ** 2).mean()


def compare_gradients(module, network, data):
    gradient = (ctypes.c_double * sum(size for _, size in SIZES[2:]))()
    value = module.bench_step_gradient(gradient)
    loss = torch_loss(network, data)
    loss.backward()
    theirs = torch.cat([network[0].weight.grad.T.reshape(-1), network[1].weight.grad, network[1].bias.grad,
                        network[3].weight.grad.reshape(-1), network[3].bias.grad])
    ours = torch.tensor(list(gradient), dtype=torch.float64)
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    if abs(value - loss.item()) > 1e-12 * abs(value) or not error < 1e-12:
        sys.exit(f"step.py: the gradients differ: {error:.2g}")
    return error


def torch_time(network, optimizer, data, steps):
    start = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        torch_loss(network, data).backward()
        optimizer.step()
    return (time.perf_counter() - start) / steps


def main():
    torch.set_num_threads(1)
    module, data = open_module(sys.argv[1])
    network = torch_network(data)
    error = compare_gradients(module, network, data)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    torch_time(network, optimizer, data, 50)
    module.bench_step_time(1000, RATE)
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(module.bench_step_time(2000, RATE))
        theirs.append(torch_time(network, optimizer, data, 50))
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"training step, 10 rows, 7 -> 4 -> 1, double, 1 thread: bnorm {1e6 * mine:.2f} us, PyTorch "
          f"{torch.__version__} {1e6 * peer:.1f} us: {peer / mine:.0f} times faster (goal: 20); "
          f"gradients agree to {error:.1g}")
    module.bench_step_close()


main()
