"""Overhead of a call and memory of the Python package: make python-overhead.

The time of bnorm.forward on a 10 x 4 matrix over that of numpy.mean(x, axis=0), interleaved; and by how much the peak of
resident memory grows when forward works on a matrix of 1 GB with out= given, in and out of place."""
import resource
import statistics
import timeit

import numpy as np

import bnorm


def overhead(turns=15, number=2000):
    x, out = np.random.default_rng(1).normal(size=(10, 4)), np.empty((10, 4))
    gamma, beta = np.ones(4), np.zeros(4)
    dy, stats = x.copy(), bnorm.forward(x)[1]
    calls = {"numpy.mean(x, axis=0)": lambda: np.mean(x, axis=0), "bnorm.forward(x)": lambda: bnorm.forward(x),
             "bnorm.forward(x, gamma, beta, out=out)": lambda: bnorm.forward(x, gamma, beta, out=out),
             "bnorm.backward(dy, x, gamma, stats)": lambda: bnorm.backward(dy, x, gamma, stats)}
    times = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            times[name].append(timeit.timeit(call, number=number) / number)
    base = statistics.median(times["numpy.mean(x, axis=0)"])
    print("a call on 10 x 4, float64    microseconds    over numpy.mean (bound 3)")
    for name, seconds in times.items():
        print(f"  {name:<40}{1e6 * statistics.median(seconds):8.2f}{statistics.median(seconds) / base:10.2f}")


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory(rows=2**20, cols=128):
    for order in "CF":
        x = np.ones((rows, cols), order=order)  # 1 GB, touched
        out = np.ones((rows, cols), order=order)
        for name, target in (("out of place", out), ("in place", x)):
            before = peak()
            bnorm.forward(x, out=target)
            grown = (peak() - before) / x.nbytes
            print(f"  {x.nbytes / 1e9:.2f} GB, order {order}, {name:<14}{100 * grown:8.3f} % (bound 1 %)")
        del x, out


if __name__ == "__main__":
    overhead()
    print("growth of the peak of memory by bnorm.forward(x, out=out)")
    memory()
