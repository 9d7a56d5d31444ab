"""conformance.py row|col FILE...: runs the cases of tests/conformance by the Python package, and prints what
tests/conformance.c prints. README.md there is the manual."""
import sys

import numpy as np

import bnorm


def hexa(value):
    """As %a of glibc: the hexadecimal digits without zeros at the end."""
    text = float(value).hex()
    if "p" not in text:
        return text
    digits, power = text.split("p")
    return f"{digits.rstrip('0').rstrip('.') if '.' in digits else digits}p{power}".replace("0xp", "0x0p")


def cases(path):
    """Each case of a file: its name and its items."""
    lines = (line.split() for line in open(path, encoding="ascii"))
    case = None
    for line in lines:
        if not line or line[0].startswith("#"):
            continue
        key, *rest = line
        if key == "case":
            case = {"name": rest[0]}
        elif key == "end":
            yield case
        elif key in ("op", "word"):
            case[key if key == "op" else rest[0]] = rest[-1]
        elif key == "number":
            case[rest[0]] = float.fromhex(rest[1])
        else:
            rows, cols = (1, int(rest[1])) if key == "vector" else (int(rest[1]), int(rest[2]))
            values = [[float.fromhex(v) for v in next(lines)] for _ in range(rows)]
            if key != "expect":
                case[rest[0]] = np.array(values).reshape(rows, cols)
            if key == "vector":
                case[rest[0]] = case[rest[0]][0]


def in_layout(case, layout):
    order = "C" if layout == "row" else "F"
    return {key: np.array(value, order=order) if isinstance(value, np.ndarray) else value for key, value in case.items()}


def rule(c):
    return {"weights": c.get("weights"), "eps": c["eps"], "ddof": c["ddof"]}


def forward(c):
    y, stats = bnorm.forward(c["x"], c.get("gamma"), c.get("beta"), **rule(c))
    return {"y": y, "mean": stats.mean, "rstd": stats.rstd}


def gradients(names, values):
    return dict(zip(names, values))


def backward(c):
    stats = bnorm.forward(c["x"], c.get("gamma"), **rule(c))[1]
    return gradients(("dx", "dgamma", "dbeta"),
                     bnorm.backward(c["dy"], c["x"], c.get("gamma"), stats, weights=c.get("weights")))


def infer(c):
    return {"y": bnorm.infer(c["x"], c.get("gamma"), c.get("beta"), c["mean"], c["var"], eps=c["eps"])}


def infer_backward(c):
    return gradients(("dx", "dgamma", "dbeta"),
                     bnorm.infer_backward(c["dy"], c["x"], c.get("gamma"), c["mean"], c["var"], eps=c["eps"]))


def fold(c):
    return gradients(("g1", "bias"), bnorm.fold(c["g1"], c.get("bias"), c.get("gamma"), c.get("beta"), c["mean"],
                                                c["var"], eps=c["eps"]))


def moments(c):
    return bnorm.moments(c["x"], weights=c.get("weights"))._asdict()


def merge(c):
    return bnorm.merge(bnorm.moments(c["x1"]), bnorm.moments(c["x2"]))._asdict()


def running(c):
    update = c["update"] if c["kind"] == "exponential" else c["kind"]
    stats = bnorm.RunningStats(len(c["mean"]), update, c["ddof"] == 1, c["mean"], c["var"])
    for key in sorted(key for key in c if key[0] == "x"):
        stats.update(bnorm.moments(c[key]))
    return {"mean": stats.mean, "var": stats.var}


def layer_norm(c):
    y, stats = bnorm.layer_norm(c["x"], c.get("gamma"), c.get("beta"), eps=c["eps"])
    back = bnorm.layer_norm_backward(c["dy"], c["x"], c.get("gamma"), stats)
    return {"y": y, "mean": stats.mean, "rstd": stats.rstd, **gradients(("dx", "dgamma", "dbeta"), back)}


def group_norm(c):
    rows, channels, groups = len(c["x"]), int(c["channels"]), int(c["groups"])
    x, dy = (c[key].reshape(rows, channels, -1) for key in ("x", "dy"))
    y, stats = bnorm.group_norm(x, groups, c.get("gamma"), c.get("beta"), eps=c["eps"])
    dx, dgamma, dbeta = bnorm.group_norm_backward(dy, x, groups, c.get("gamma"), stats)
    return {"y": y.reshape(rows, -1), "mean": stats.mean, "rstd": stats.rstd, "dx": dx.reshape(rows, -1),
            "dgamma": dgamma, "dbeta": dbeta}


def gram(c):
    g = bnorm.gram(c["x"], weights=c.get("weights"), ddof=c["ddof"])
    return {"n": g.n, "mean": g.mean, "s": g.s}


def dense(c):
    g = bnorm.gram(c["x"], weights=c.get("weights"), ddof=c["ddof"])
    b, stats = bnorm.dense_forward(c["x"], c["g1"], g, c.get("gamma"), c.get("beta"), eps=c["eps"])
    back = bnorm.dense_backward(c["w"], c["x"], c["g1"], g, c.get("gamma"), stats)
    return {"b": b, "mean": stats.mean, "rstd": stats.rstd, **gradients(("dg1", "dgamma", "dbeta"), back)}


def network(c):
    layers = [bnorm.Dense(int(name[6:])) if name.startswith("dense:") else
              bnorm.BatchNorm() if name == "batchnorm" else name for name in c["layers"].split(",")]
    net = bnorm.Net(layers, loss=c["loss"], inputs=c["x"].shape[1], seed=int(c["seed"]))
    start = np.concatenate([block.ravel() for block in net.parameters.values()])
    value, blocks = net.gradient(c["x"], c["y"], weights=c.get("weights"))
    return {"start": start, "value": value, "gradient": np.concatenate([block.ravel() for block in blocks.values()])}


def demean(c):
    factors = [c[key].astype(np.int64) for key in ("f1", "f2", "f3") if key in c]
    slopes = [c.get(f"s{k + 1}") for k in range(len(factors))]
    return {"y": bnorm.demean(c["x"], factors, c.get("weights"), slopes=slopes)}


def panel(c):
    columns = {key: value for key, value in c.items() if np.shape(value) == c["y"].shape and key != "weights"}
    model = bnorm.PanelNet(c["formula"], columns, hidden=int(c.get("hidden", 0)) or None, weights=c.get("weights"),
                           penalty=c.get("penalty", 0.0))
    result = model.fit(None if "cluster" in c else "classical", cluster=c.get("cluster"),
                       epochs=int(c.get("epochs", 0)) or None)
    results = {"theta": result.params, "fitted": result.fitted_values}
    return results if model.networks else {**results, "cov": result.cov}


def main(layout, *paths):
    for path in paths:
        for case in cases(path):
            if layout == "col" and case["op"] == "group_norm":
                continue  # stacks of samples are row-major only
            results = globals()[case["op"]](in_layout(case, layout))
            for key, values in results.items():
                for (i, j), value in np.ndenumerate(np.atleast_2d(values)):
                    print(case["name"], key, i + 1, j + 1, hexa(value))


if __name__ == "__main__":
    main(*sys.argv[1:])
