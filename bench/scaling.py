"""scaling.py MODULE [--json FILE]: cost against rows, columns and threads, and the memory that a call works in.

Double precision, 1 thread unless stated; nanoseconds an element beside those of the limit. The memory is what the
library takes from the caller's allocator during one call, at its largest.
"""
import argparse
import sys

import compare
import report

ROWS = [(16 << (2 * k), 64) for k in range(8)]
COLUMNS = [(4096, 1 << (2 * k)) for k in range(6)] + [(4096, 2048)]
THREADS = [(16 << (2 * k), 256) for k in range(7)]
OPS = ("forward", "backward", "infer")


def measure(module, op, col_major, rows, cols, threads):
    cell = compare.Cell(module, op, False, col_major, rows, cols, threads)
    record = compare.measure(module, cell, [])
    return {"op": op, "layout": record["layout"], "rows": rows, "cols": cols, "threads": threads,
            "ns": 1e9 * record["seconds"] / (rows * cols), "limit_ns": 1e9 * record["limit_seconds"] / (rows * cols),
            "working_bytes": module.bench_memory()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--json")
    given = parser.parse_args()
    module = compare.open_module(given.module)
    records = []
    print(f"{'sweep':8} {'op':9} {'':3} {'shape':>13} {'thr':>3} {'ns/elem':>8} {'limit':>8} {'working bytes':>14}")
    for sweep, shapes, counts in (("rows", ROWS, (1,)), ("columns", COLUMNS, (1,)), ("threads", THREADS, (1, 2))):
        for rows, cols in shapes:
            if module.bench_open(rows, cols, 0):
                sys.exit(f"scaling.py: no memory for {rows} x {cols}")
            for col_major in (0, 1):
                for op in OPS:
                    for threads in counts:
                        r = {"sweep": sweep, **measure(module, op, col_major, rows, cols, threads)}
                        records.append(r)
                        print(f"{sweep:8} {op:9} {r['layout']} {f'{rows} x {cols}':>13} {threads:3} {r['ns']:8.3f} "
                              f"{r['limit_ns']:8.3f} {r['working_bytes']:14}", flush=True)
            module.bench_close()
    if given.json:
        report.write(given.json, records, [])


if __name__ == "__main__":
    main()
