"""Structured models: bad input, interruption, and life without the optional packages."""
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import bnorm
import panel_data
from bnorm import PanelNet

data = panel_data.make()
N = len(data["y"])


def panel(formula="y ~ x1 + x2 | firm", table=None, **options):
    return PanelNet.from_formula(formula, data if table is None else table, **options)


def fitted(**options):
    return panel().fit(**options)


@pytest.mark.parametrize("error, message, call", [
    (TypeError, "formula: expected a str", lambda: panel(3)),
    (ValueError, "", lambda: panel("y ~ ")),
    (ValueError, "nothing", lambda: panel("y ~ nothing | firm")),
    (ValueError, "nobody", lambda: panel("y ~ x1 | nobody")),
    (ValueError, "", lambda: panel("y ~ nn(x1 | firm")),
    (TypeError, "data: expected a table", lambda: panel(table=np.ones((3, 3)))),
    (TypeError, "data: expected a table", lambda: panel(table=[1, 2])),
    (ValueError, "data: expected .* values in column 'x2', got 3", lambda: panel(table={**data, "x2": np.ones(3)})),
    (TypeError, "data: .*column 'x2', got float", lambda: panel(table={**data, "x2": 3.0})),
    (ValueError, "data: .*got '1' twice", lambda: panel(table={**data, 1: data["x1"], "1": data["x1"]})),
    (TypeError, "x1: expected real numbers", lambda: panel(table={**data, "x1": np.ones(N, complex)})),
    (ValueError, "x1: expected 1 dimension", lambda: panel(table={**data, "x1": np.ones((N, 2))})),
    (ValueError, "x1: expected no masked", lambda: panel(table={**data, "x1": np.ma.masked_array(data["x1"], data["x1"] > 0)})),
    (ValueError, "x1", lambda: panel(table={**data, "x1": np.full(N, np.inf)})),
    (ValueError, "", lambda: panel(table={key: values[:0] for key, values in data.items()})),
    (ValueError, "", lambda: panel(table={**data, "y": np.full(N, np.nan)})),
    (ValueError, "activation: .*swish", lambda: panel(activation="swish")),
    (ValueError, "loss|hinge", lambda: panel(loss="hinge")),
    (ValueError, "hidden: ", lambda: panel("y ~ nn(x1) | firm", hidden=(0,))),
    (TypeError, "hidden: ", lambda: panel("y ~ nn(x1) | firm", hidden=(2.5,))),
    (ValueError, "penalty", lambda: panel(penalty=-1)),
    (TypeError, "penalty: expected a number", lambda: panel(penalty="a")),
    (ValueError, "dropout|rate", lambda: panel("y ~ nn(x1) | firm", dropout=1)),
    (ValueError, "eps", lambda: panel("y ~ nn(x1) | firm", eps=-1)),
    (ValueError, "missing: expected 'drop' or 'error'", lambda: panel(missing="raise")),
    (ValueError, "singletons: ", lambda: panel(singletons="no")),
    (ValueError, "seed: ", lambda: panel(seed=-1)),
    (ValueError, "tolerance", lambda: panel(tolerance=-1)),
    (TypeError, "unknown", lambda: panel(unknown=1)),
    (ValueError, "nobody", lambda: panel(unit="nobody")),
    (ValueError, "weights: expected the name of a column", lambda: panel(weights="nobody")),
    (TypeError, "weights: .*levels", lambda: panel(weights="kind")),
    (TypeError, "weights: expected numbers", lambda: panel(weights=["a"] * N)),
    (ValueError, r"weights: expected shape", lambda: panel(weights=np.ones(3))),
    (ValueError, "weight", lambda: panel(weights=-np.ones(N))),
    (ValueError, "weight", lambda: panel(weights=np.zeros(N))),
    (ValueError, "logistic", lambda: panel(loss="logistic")),
    (TypeError, "hidden: expected a whole number", lambda: panel(hidden=2.5)),
    (TypeError, "hidden: expected a whole number", lambda: panel(hidden="4")),
    (ValueError, "cov_type: expected .*got 'white'", lambda: fitted(cov_type="white")),
    (ValueError, "cluster: .*'hc1'", lambda: fitted(cov_type="hc1", cluster="firm")),
    (ValueError, "cluster: .*'nobody'", lambda: fitted(cluster="nobody")),
    (ValueError, "cluster: expected at most 2", lambda: fitted(cluster=[data["firm"]] * 3)),
    (ValueError, "cluster: expected .* got 3", lambda: fitted(cluster=np.ones(3))),
    (ValueError, "cluster|one|1", lambda: fitted(cluster=np.ones(N))),
    (ValueError, "count: ", lambda: fitted(count="some")),
    (ValueError, "cov_kwds: .*'group'", lambda: fitted(cov_kwds={"group": "firm"})),
    (ValueError, "optimizer: ", lambda: fitted(optimizer="newton")),
    (ValueError, "starts: ", lambda: fitted(starts=0)),
    (ValueError, "hold: expected rows, units or periods", lambda: fitted(hold="years")),
    (ValueError, "validate|held|share", lambda: panel("y ~ nn(x1) | firm").fit(validate=2)),
    (ValueError, "bags: ", lambda: fitted(bags=-1)),
    (ValueError, "epochs: ", lambda: fitted(epochs=0)),
    (TypeError, "unknown", lambda: fitted(unknown=1)),
    (ValueError, "level: ", lambda: fitted().conf_int(95)),
    (ValueError, "new: expected error, nan or zero", lambda: fitted().predict(data, new="drop")),
    (TypeError, "data: expected a table", lambda: fitted().predict(np.ones((3, 3)))),
    (ValueError, "x2", lambda: fitted().predict({key: data[key] for key in ("x1", "firm")})),
    (ValueError, "data: expected a table", lambda: fitted().predict(se=True)),
    (ValueError, "variable: expected one of", lambda: fitted().profile("year")),
    (ValueError, "variable: expected one of", lambda: fitted().profile(99)),
    (ValueError, "candidates: expected at least one", lambda: PanelNet.cv("y ~ x1 | firm", data, [])),
    (ValueError, "candidates: .*'units'", lambda: PanelNet.cv("y ~ x1 | firm", data, [{"units": 3}])),
    (ValueError, "folds: ", lambda: PanelNet.cv("y ~ x1 | firm", data, [None], folds=1)),
    (ValueError, "by: ", lambda: PanelNet.cv("y ~ x1 | firm", data, [None], by="firm")),
    (TypeError, "PanelResults come from", lambda: bnorm.PanelResults()),
])
def test_bad_input(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_a_progress_function_stops_a_fit_or_fails():
    told = []

    def three(progress):
        told.append(progress.epoch)
        return progress.epoch >= 3

    model = panel("y ~ x1 + nn(z1, z2) | firm")
    got = model.fit(progress=three)
    assert got.report.stopped and told == [1, 2, 3] and np.isfinite(got.params).all()
    with pytest.raises(ZeroDivisionError):
        model.fit(progress=lambda progress: 1 / 0)
    assert not model.fit(epochs=5).report.stopped


def test_one_call_at_a_time():
    model = panel("y ~ x1 + nn(z1, z2) | firm")
    got = model.fit(epochs=5)
    seen = []

    def look(progress):
        seen.append(got.predict(data)[0])  # another panel: no wait
        return len(seen) == 2

    model.fit(progress=look)
    assert len(seen) == 2


INTERRUPT = """
    import os, signal, threading, numpy as np, bnorm
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background had ignored
    rng = np.random.default_rng(1)
    z = rng.normal(size=(4000, 6))
    table = {f"z{k}": z[:, k] for k in range(6)}
    table.update(y=np.sin(z[:, 0] * z[:, 1]), id=np.repeat(np.arange(400), 10))
    model = bnorm.PanelNet.from_formula("y ~ nn(z0, z1, z2, z3, z4, z5) | id", table, hidden=(16,))
    begun = threading.Event()
    def interrupt():
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        model.fit(optimizer="adam", epochs=10**7, progress=lambda p: begun.set())
    except KeyboardInterrupt:
        assert np.isfinite(model.fit(epochs=2).resid).all()
        print("interrupted")
"""


def run(code, **environment):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **environment})


def test_ctrl_c_ends_a_fit():
    done = run(INTERRUPT)
    assert done.stdout == "interrupted\n", done.stderr


WITHOUT = """
    import sys
    for name in ("scipy", "matplotlib", "pandas"):
        sys.modules[name] = None
    import numpy as np, bnorm
    rng = np.random.default_rng(1)
    table = {"y": rng.normal(size=40), "x": rng.normal(size=40), "id": np.repeat(np.arange(10), 4)}
    got = bnorm.PanelNet.from_formula("y ~ x | id", table).fit(cluster="id")
    text = got.summary()
    assert "std. error" in text and "[0.025" not in text
    for ask, need in ((lambda: got.pvalues, "scipy"), (got.conf_int, "scipy"), (got.plot, "matplotlib"),
                      (lambda: got.predict(table, interval=0.9), "scipy")):
        try:
            ask()
        except ImportError as error:
            assert f"pip install {need}" in str(error), error
        else:
            raise AssertionError(need)
    assert got.predict(table, se=True)[1].shape == (40,)
    assert got.profile("x", np.array([0.0, 1.0])).effect.shape == (2,)
    print("fine")
"""


def test_without_the_optional_packages():
    done = run(WITHOUT)
    assert done.stdout == "fine\n", done.stderr


def test_memory_is_given_back():
    import gc
    import sys as system
    x1 = data["x1"]
    counts = []
    for _ in range(3):
        for _ in range(10):
            got = fitted(cluster="firm")
            got.predict(data)
            for bad in (lambda: panel("y ~ nothing | firm"), lambda got=got: got.with_cov(cluster="nobody")):
                with pytest.raises(ValueError):
                    bad()
        del got, bad
        gc.collect()
        counts.append(system.getrefcount(x1))
    assert counts[0] == counts[2]
