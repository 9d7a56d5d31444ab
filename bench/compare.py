"""compare.py MODULE: the matrix functions beside the limit of memory and beside the peers that are installed.

    compare.py MODULE [--json FILE] [--ops forward,...] [--types f32,f64] [--layouts row,col] [--threads 1,2]
               [--shapes 60x100,...] [--records FILE]... [--machine FILE]

All sides run in this process in turns (R in one of its own, with bnorm loaded into it), each on the same input
after a call that is not counted; figures are medians. `x peer` is the peer's time over ours. --records adds
records of other benchmarks to the file that --json writes; --machine keeps the lines about machine and versions.
"""
import argparse
import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import time

import peers
import report

SHAPES = "60x100,256x64,256x1024,4096x256,32768x64,65536x512,1048576x32"
OPS = "forward,backward,infer,layernorm,layernorm_backward,forward_relu,forward_tanh,backward_tanh"
OURS, PLAIN, PAST, ONE, BARE, ONEDNN = range(6)
TURN = 1e-3  # seconds, at least


class Cell:
    """What is measured: the module is set to it while it lives."""

    def __init__(self, module, op, f32, col_major, rows, cols, threads):
        self.module, self.op, self.f32, self.col_major = module, op, f32, col_major
        self.rows, self.cols, self.threads = rows, cols, threads
        if module.bench_set(op.encode(), col_major, threads):
            sys.exit(f"compare.py: {op} failed on {rows} x {cols}")

    def bytes_of(self, name):
        vector = max(self.rows, self.cols) * (4 if self.f32 and name in ("gamma", "beta") else 8)
        size = self.rows * self.cols * (4 if self.f32 else 8) if name in ("x", "dy", "out") else vector
        return (ctypes.c_char * size).from_address(self.module.bench_buffer(name.encode()))


class Side:
    """One competitor; a turn is one call or about TURN seconds, and slow ones get fewer turns."""

    def __init__(self, run):
        self.run, self.times = run, []
        run(1)
        once = run(1)
        self.calls = max(1, int(TURN / once))
        self.rounds = 7 if once < 5e-3 else 5 if once < 5e-2 else 3 if once < 0.2 else 1

    def turn(self, number):
        if number < self.rounds:
            self.times.append(self.run(self.calls))

    def median(self):
        return statistics.median(self.times)


def run_module(module, side):
    return lambda calls: module.bench_time(side, calls)


def run_python(function):
    def run(calls):
        if calls > 1:
            function()
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - start) / calls
    return run


def measure(module, cell, found):
    sides = {side: Side(run_module(module, side)) for side in (OURS, PLAIN, PAST, ONE, BARE) if module.bench_has(side)}
    if module.bench_has(ONEDNN):
        sides["oneDNN"] = Side(run_module(module, ONEDNN))
    for peer in found:
        sides.update({name: Side(run_python(way)) for name, way in peer.functions(cell).items()})
    for number in range(7):
        for side in sides.values():
            side.turn(number)
    ours = sides[OURS].median()
    limit = min(sides[s].median() for s in (PLAIN, PAST, ONE) if s in sides)
    bare = min(limit, sides[BARE].median()) if BARE in sides else limit
    ratios = {name: side.median() / ours for name, side in sides.items() if isinstance(name, str)}
    return {"op": cell.op, "type": "f32" if cell.f32 else "f64", "layout": "col" if cell.col_major else "row",
            "rows": cell.rows, "cols": cell.cols, "threads": cell.threads, "over_limit": ours / limit,
            "peers": ratios, "over_bare": ours / bare, "seconds": ours, "limit_seconds": limit}


def open_module(path):
    module = ctypes.CDLL(path)
    module.bench_time.restype = module.bench_bound.restype = ctypes.c_double
    module.bench_time.argtypes = [ctypes.c_int, ctypes.c_long]
    module.bench_open.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_int]
    module.bench_memory.restype = ctypes.c_long
    module.bench_buffer.restype = ctypes.c_void_p
    module.bench_version.restype = ctypes.c_char_p
    return module


def measure_r(path, shapes):
    """R's ratios by (op, rows, cols), and its version."""
    if not shutil.which("Rscript"):
        return {}, None
    listed = ",".join(f"{rows},{cols}" for rows, cols in shapes)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.R")
    done = subprocess.run(["Rscript", "--vanilla", script, path, listed], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("compare.py: peer.R failed")
    ratios, version = {}, None
    for line in done.stdout.splitlines():
        word = line.split()
        if word[0] == "version":
            version = "R " + word[1]
        else:
            ratios.setdefault((word[0], int(word[1]), int(word[2])), {})[word[3].replace("_", " ")] = float(word[4])
    return ratios, version


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--json")
    parser.add_argument("--ops", default=OPS)
    parser.add_argument("--types", default="f32,f64")
    parser.add_argument("--layouts", default="row,col")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--shapes", default=SHAPES)
    parser.add_argument("--records", action="append", default=[])
    parser.add_argument("--machine")
    given = parser.parse_args()
    given.shapes = [tuple(map(int, shape.split("x"))) for shape in given.shapes.split(",")]
    processors = len(os.sched_getaffinity(0))
    given.threads = [t for t in map(int, given.threads.split(",")) if t <= processors]
    return given


def main():
    given = arguments()
    module = open_module(given.module)
    has_r = "f64" in given.types and "col" in given.layouts and 1 in given.threads
    from_r, r_version = measure_r(given.module, given.shapes) if has_r else ({}, None)
    module.bench_recycle()
    found, absent = peers.available()
    report.machine(module, found, absent, r_version, given.machine)
    report.head()
    records = []
    for rows, cols in given.shapes:
        for kind in given.types.split(","):
            if module.bench_open(rows, cols, kind == "f32"):
                sys.exit(f"compare.py: no memory for {rows} x {cols}")
            for layout in given.layouts.split(","):
                for threads in given.threads:
                    for op in given.ops.split(","):
                        cell = Cell(module, op, kind == "f32", layout == "col", rows, cols, threads)
                        record = measure(module, cell, found)
                        if kind == "f64" and layout == "col" and threads == 1:
                            record["peers"].update(from_r.get((op, rows, cols), {}))
                        records.append(record)
                        report.line(record)
            module.bench_close()
    report.summary(module, records)
    if given.json:
        report.write(given.json, records, given.records)


if __name__ == "__main__":
    main()
