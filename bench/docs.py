"""docs.py FOLDER: writes what a run of the benchmarks measured into docs/performance.md, its plots and the README.

FOLDER holds records.json, scaling.json, accuracy.json and machine.txt, as `run.sh -d` leaves them. Text between
<!-- begin NAME --> and <!-- end NAME --> is replaced; all else is written by hand.
"""
import json
import os
import sys
import textwrap

import plots
import report

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCS = os.path.join(ROOT, "docs")
BOUNDS = {("forward", "row"): 1.65, ("forward", "col"): 1.40, ("backward", "row"): 1.85, ("backward", "col"): 1.35,
          ("infer", "row"): 1.08, ("infer", "col"): 1.08}
LAYOUTS = {"row": "row-major", "col": "column-major"}
PEERS = report.PEERS


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value):
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def shape(record):
    return f"{record['rows']} x {record['cols']}"


def matrix_records(records):
    return [r for r in records if "over_bare" in r]


def machine(folder):
    with open(os.path.join(folder, "machine.txt")) as file:
        return "".join(f"    {line}" for line in file).rstrip()


def means(records):
    rows = []
    for (op, kind, layout, threads), cells in report.groups(matrix_records(records)).items():
        over = report.mean(r["over_limit"] for r in cells)
        bound = BOUNDS.get((op, layout))
        verdict = "" if not bound else "met" if over <= bound else "**not met**"
        ratios = [number(report.mean(r["peers"][name] for r in cells if name in r["peers"])) for name in PEERS]
        rows.append([op, kind, LAYOUTS[layout], str(threads), number(over), number(bound), verdict,
                     number(report.mean(r["over_bare"] for r in cells))] + ratios)
    rows.sort(key=lambda row: [r["op"] for r in records].index(row[0]))
    return table(["operation", "type", "layout", "threads", "time/limit", "bound", "", "time/bare"] + PEERS, rows)


def cells(records, threads):
    parts = []
    matrix = [r for r in matrix_records(records) if r["threads"] == threads]
    for op in dict.fromkeys(r["op"] for r in matrix):
        rows = [[r["type"], LAYOUTS[r["layout"]], shape(r), f"{1e6 * r['seconds']:.3g}", number(r["over_limit"]),
                 number(r["over_bare"])] + [number(r["peers"].get(name)) for name in PEERS]
                for r in matrix if r["op"] == op]
        rows.sort(key=lambda row: (row[0], row[1] != "row-major"))
        parts.append(f"### {op}, {threads} thread{'s' if threads > 1 else ''}\n\n"
                     + table(["type", "layout", "shape", "µs", "time/limit", "time/bare"] + PEERS, rows))
    return "\n\n".join(parts)


def slower(records):
    """The cells in which a peer is faster."""
    rows = [[name, number(ratio), r["op"], r["type"], LAYOUTS[r["layout"]], shape(r), str(r["threads"])]
            for r in matrix_records(records) for name, ratio in r["peers"].items() if ratio < 1]
    if not rows:
        return "In no cell of this run was a peer faster."
    rows.sort(key=lambda row: float(row[1]))
    return table(["peer", "its time over ours", "operation", "type", "layout", "shape", "threads"], rows)


def steps(records):
    rows = [[r["op"], f"{r['rows']} rows, {r['cols']}", r["type"], str(r["threads"]), number(r["over_limit"]),
             ", ".join(f"{name} {number(ratio)}" for name, ratio in r["peers"].items())]
            for r in records if "over_bare" not in r]
    return table(["", "network", "type", "threads", "time over the products alone", "peers: their time over ours"], rows)


def accuracy(records):
    names = ["bnorm", "PyTorch", "oneDNN", "NumPy tuned", "NumPy textbook"]
    rows = [[r["data"], r["type"], LAYOUTS[r["layout"]], shape(r)]
            + [f"{r['y'][n]:.1e}" if n in r["y"] else "" for n in names]
            + [f"{r['dx'][n]:.1e}" if n in r["dx"] else "" for n in names[:2]] for r in records]
    return table(["data", "type", "layout", "shape"] + [f"y: {n}" for n in names]
                 + [f"dx: {n}" for n in names[:2]], rows)


def sweep_series(records, sweep, key):
    series = []
    for op in ("forward", "backward"):
        for layout in ("row", "col"):
            points = [(r[key], r["ns"]) for r in records
                      if (r["sweep"], r["op"], r["layout"]) == (sweep, op, layout)]
            series.append((f"{op}, {LAYOUTS[layout]}", points, False))
        points = [(r[key], r["limit_ns"]) for r in records
                  if (r["sweep"], r["op"], r["layout"]) == (sweep, op, "row")]
        series.append((f"limit of {op}", points, True))
    return series


def gain_series(records):
    series = []
    for op in ("forward", "backward", "infer"):
        for layout in ("row", "col"):
            by = {(r["rows"], r["threads"]): r["ns"] for r in records
                  if (r["sweep"], r["op"], r["layout"]) == ("threads", op, layout)}
            points = [(rows, by[rows, 1] / by[rows, 2]) for rows, threads in by if threads == 2]
            series.append((f"{op}, {LAYOUTS[layout]}", points, False))
    return [s for s in series if s[1]]


def draw(records):
    plots.lines(os.path.join(DOCS, "performance-rows.svg"), "Cost against rows: 64 columns, double, 1 thread",
                "rows", "nanoseconds an element", sweep_series(records, "rows", "rows"))
    plots.lines(os.path.join(DOCS, "performance-columns.svg"), "Cost against columns: 4096 rows, double, 1 thread",
                "columns", "nanoseconds an element", sweep_series(records, "columns", "cols"))
    gain = gain_series(records)
    if gain:
        plots.lines(os.path.join(DOCS, "performance-threads.svg"), "Two threads: 256 columns, double",
                    "rows", "time of one thread over two", gain)


def memory(records):
    rows = {}
    for r in records:
        if r["sweep"] == "rows":
            rows.setdefault(r["rows"], {})[r["op"], r["layout"]] = r["working_bytes"]
    kinds = [(op, layout) for op in ("forward", "backward", "infer") for layout in ("row", "col")]
    return table(["rows"] + [f"{op}, {LAYOUTS[layout]}" for op, layout in kinds] + ["one matrix"],
                 [[str(n)] + [str(by[kind]) for kind in kinds] + [str(n * 64 * 8)] for n, by in rows.items()])


def short(records):
    """The README's sentence."""
    def range_of(op):
        over = [report.mean(r["over_limit"] for r in group) for (o, *_), group in
                report.groups(matrix_records(records)).items() if o == op]
        return f"{min(over):.2f} to {max(over):.2f}"
    peers = {name: [r["peers"][name] for r in matrix_records(records) if name in r["peers"]] for name in PEERS}
    faster = ", ".join(f"{name} {report.mean(ratios):.1f}" for name, ratios in peers.items() if ratios)
    lost = sum(ratio < 1 for ratios in peers.values() for ratio in ratios)
    text = (f"Geometric means of time over limit, by type, layout and threads: forward {range_of('forward')}, backward "
            f"{range_of('backward')}, inference {range_of('infer')}. The peers' times over ours, in the mean of all cells: "
            f"{faster}; in {lost} of {sum(map(len, peers.values()))} comparisons a peer was faster. "
            "[All figures](docs/performance.md).")
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def replace(path, blocks):
    with open(path) as file:
        text = file.read()
    for name, block in blocks.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if begin not in text or end not in text:
            sys.exit(f"docs.py: {path} has no block {name}")
        text = text[:text.index(begin) + len(begin)] + "\n" + block + "\n\n" + text[text.index(end):]
    with open(path + ".tmp", "w") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def main():
    folder = sys.argv[1]

    def load(name):
        with open(os.path.join(folder, name)) as file:
            return json.load(file)
    records, scaling = load("records.json"), load("scaling.json")
    replace(os.path.join(DOCS, "performance.md"), {
        "machine": machine(folder), "means": means(records), "slower": slower(records), "steps": steps(records),
        "accuracy": accuracy(load("accuracy.json")), "memory": memory(scaling),
        "one": cells(records, 1), "two": cells(records, 2)})
    replace(os.path.join(ROOT, "README.md"), {"figures": short(records)})
    draw(scaling)


if __name__ == "__main__":
    main()
