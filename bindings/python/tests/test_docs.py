"""What is written is run: doctests, the README's code, the stubs."""
import ast
import doctest
import importlib
import os
import pathlib
import re

import numpy as np
import pytest

import bnorm
import bnorm._core
import panel_data
from support import draw

MODULES = ["bnorm", "bnorm._matrix", "bnorm._running", "bnorm._layers", "bnorm._net", "bnorm._within", "bnorm._panel", "bnorm.sklearn"]


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0


def test_every_public_function_is_documented_and_run():
    for name in bnorm.__all__:
        assert (getattr(bnorm, name).__doc__ or "").strip(), name
    with_examples = [name for name in bnorm.__all__ if ">>>" in (getattr(bnorm, name).__doc__ or "")]
    without = set(bnorm.__all__) - set(with_examples)
    assert without <= {"BatchNorm", "BlockCheck", "CovarianceInfo", "CrossValidation", "Dense", "Dropout", "FitReport",
                       "Gram", "Margins", "Moments", "PanelInfo", "PanelReport", "PanelResults", "Prediction",
                       "Profile", "Stats", "get_threads", "isa"}, without


def test_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    readme = pathlib.Path(__file__).resolve().parent.parent / "README.md"
    code = "\n".join(line[4:] for line in readme.read_text().splitlines()
                     if line.startswith("    ") and "pip install" not in line)
    rows = draw(80, 3)
    names = {"x": rows, "y": rows[:, 0], "dy": draw(80, 3, seed=1), "gamma": np.ones(3), "beta": np.zeros(3),
             "firm": np.arange(80) // 8, "year": np.arange(80) % 8, "data": panel_data.make(20)}
    code = code.replace("net.fit(x, y,", "y = x[:, 0]; net.fit(x, y,")
    exec(compile(code, str(readme), "exec"), names)
    assert os.path.exists("model.safetensors") and names["dx"].shape == (80, 3)


def test_stubs_tell_what_the_extension_has():
    package = pathlib.Path(bnorm.__file__).parent
    tree = ast.parse((package / "_core.pyi").read_text())
    told = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    result = bnorm.PanelNet("y ~ x1 | firm", panel_data.make(5)).fit()
    made = {"Network": bnorm.Net([bnorm.Dense(1)], inputs=2)._core, "Panel": result._core, "Vcov": result._vcov}
    assert told == {name for name in vars(bnorm._core) if not name.startswith("_")} | set(made)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
            assert methods == {name for name in dir(made[node.name]) if not name.startswith("_")}
    assert (package / "py.typed").exists()


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", bnorm.__version__) and bnorm.isa() in ("avx512", "avx2", "neon", "scalar")
