"""The tables of compare.py, and its file of records."""
import ctypes
import json
import math
import os
import platform
import sys

PEERS = ["PyTorch", "oneDNN", "NumPy tuned", "NumPy textbook", "R", "R scale()"]


def processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def blas():
    """What OpenBLAS chose, when it is loaded into this process."""
    with open("/proc/self/maps") as maps:
        paths = sorted({line.split()[-1] for line in maps if "libopenblas" in line})
    if not paths:
        return "no OpenBLAS loaded"
    library = ctypes.CDLL(paths[0])
    library.openblas_get_config.restype = ctypes.c_char_p
    return library.openblas_get_config().decode().strip()


def machine(module, found, absent, r_version, keep):
    onednn = module.bench_version(b"onednn").decode()
    versions = [peer.version for peer in found] + (["oneDNN " + onednn] if onednn else []) + ([r_version] if r_version else [])
    missing = absent + ([] if onednn else ["oneDNN"]) + ([] if r_version else ["R"])
    lines = [f"bnorm {module.bench_version(b'bnorm').decode()}, instruction set {module.bench_version(b'isa').decode()}",
             f"{processor()}, {len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.2f}, "
             f"Linux {platform.release()}",
             "peers: " + "; ".join(versions) + (f"; not in this run: {', '.join(missing)}" if missing else ""),
             "BLAS: " + blas()]
    print("\n".join(lines) + "\n")
    if keep:
        with open(keep, "w") as file:
            file.write("\n".join(lines) + "\n")


def head():
    print(f"{'op':18} {'':3} {'':3} {'shape':>14} {'thr':>3} {'us':>9} {'/limit':>6} {'/bare':>6}   times our time: "
          + ", ".join(PEERS))


def line(record):
    shape = f"{record['rows']} x {record['cols']}"
    ratios = " ".join(f"{record['peers'][name]:7.2f}" if name in record["peers"] else f"{'-':>7}" for name in PEERS)
    print(f"{record['op']:18} {record['type']} {record['layout']} {shape:>14} {record['threads']:3} "
          f"{1e6 * record['seconds']:9.1f} {record['over_limit']:6.2f} {record['over_bare']:6.2f}   {ratios}", flush=True)


def mean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def groups(records):
    """(op, type, layout, threads) in the order of the records."""
    found = {}
    for r in records:
        found.setdefault((r["op"], r["type"], r["layout"], r["threads"]), []).append(r)
    return dict(sorted(found.items(), key=lambda item: list(found).index(item[0])))


def summary(module, records):
    print("\ngeometric means over the shapes: time/limit beside its bound, and the peers' times over ours")
    print(f"{'op':18} {'':3} {'':3} {'thr':>3} {'/limit':>6} {'/bare':>6} {'bound':>6}           " + ", ".join(PEERS))
    for (op, kind, layout, threads), cells in groups(records).items():
        over = mean(r["over_limit"] for r in cells)
        bound = module.bench_bound(op.encode(), layout == "col")
        verdict = "" if not bound else "met" if over <= bound else "not met"
        ratios = " ".join(f"{mean(r['peers'][name] for r in cells if name in r['peers']):7.2f}"
                          if any(name in r["peers"] for r in cells) else f"{'-':>7}" for name in PEERS)
        print(f"{op:18} {kind} {layout} {threads:3} {over:6.2f} {mean(r['over_bare'] for r in cells):6.2f} "
              f"{bound if bound else '-':>6} {verdict:>7}   {ratios}")
    slower = [(ratio, name, r) for r in records for name, ratio in r["peers"].items() if ratio < 1]
    print(f"\npeers faster than bnorm: {len(slower) or 'in no cell'}")
    for ratio, name, r in sorted(slower, key=lambda item: item[0]):
        print(f"  {name} takes {ratio:.2f} of our time: {r['op']} {r['type']} {r['layout']} {r['rows']} x {r['cols']}, "
              f"{r['threads']} thread{'s' if r['threads'] > 1 else ''}")


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


def write(path, records, others):
    """One array; the file is there whole or not at all."""
    everything = [rounded(r) for r in records]
    for other in others:
        with open(other) as file:
            everything += json.load(file)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w") as file:
            file.write("[\n" + ",\n".join(json.dumps(r) for r in everything) + "\n]\n")
        os.replace(temporary, path)
    except OSError as error:
        sys.exit(f"bench: {path} cannot be written: {error.strerror}")
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
