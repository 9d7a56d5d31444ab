"""Networks: fitting, prediction, gradients, files. The layers are in _layers.py."""
from __future__ import annotations

import os
import tempfile
from typing import Any, Iterable, Mapping, Sequence

from . import _core
from ._layers import BatchNorm, Dense, Dropout, Layer, _Adapter, _layer_name, _named, _numpy, _unmasked
from ._reports import BlockCheck, CheckReport, FitReport, _bar

Array = Any


class Net:
    """A network of layers, computed in float64.

    layers: `Dense`, `BatchNorm`, `Dropout`, instances of `Layer`, and activations by name:
    "identity", "relu", "leaky_relu", "tanh", "logistic", "softplus", "gelu". The last Dense has as
    many units as the target has columns (softmax: as there are classes). loss: "squared",
    "logistic" (targets in [0, 1]) or "softmax" (one target, the class 0, 1, ...). inputs: columns
    of x; those of the first fit if None. seed: of the starting values. penalty: lambda of
    lambda |G|^2, added to the loss for every weight, not for biases, gamma and beta.

    >>> import numpy as np, bnorm
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(200, 3))
    >>> y = np.tanh(x[:, 0] - x[:, 1])
    >>> net = bnorm.Net([bnorm.Dense(8), bnorm.BatchNorm(), "tanh", bnorm.Dense(1)])
    >>> net.fit(x, y).report.optimizer
    'lbfgs'
    >>> bool(np.mean((net.predict(x) - y)**2) < 1e-3)
    True
    >>> net.check_gradient(x, y).ok
    True

    One network serves one call at a time: calls of other threads wait. A layer or a progress
    function that calls the network it is called from gets RuntimeError.
    """

    def __init__(self, layers: Sequence, *, loss: str = "squared", inputs: int | None = None, seed: int = 1,
                 penalty: float = 0.0):
        self.layers = list(layers)
        self.loss_name, self.seed, self.penalty = loss, seed, penalty
        self.report: FitReport | None = None
        self._core: Any = None
        self._about: tuple = ()
        if not self.layers:
            raise ValueError("layers: expected at least one")
        for layer in self.layers:
            if not isinstance(layer, (Dense, BatchNorm, Dropout, Layer, str)):
                raise TypeError("layers: expected Dense, BatchNorm, Dropout, the name of an activation or an "
                                f"instance of Layer, got {layer!r}")
        if inputs is not None:
            self._build(inputs)

    # ------------------------------------------------------------------------------- building

    def _specs(self) -> tuple[list, list]:
        named = _named(layer for layer in self.layers if isinstance(layer, Layer))
        users = list(named.values())
        specs: list[tuple] = []
        for layer in self.layers:
            if isinstance(layer, str):
                specs.append(("activation", layer))
            elif isinstance(layer, Dense):
                specs.append(("dense", layer.units))
            elif isinstance(layer, BatchNorm):
                specs.append(("batchnorm", layer.eps, layer.ddof))
            elif isinstance(layer, Dropout):
                specs.append(("dropout", layer.rate))
            else:
                specs.append(("user", [user is layer for user in users].index(True)))
        return specs, [(name, _Adapter(user)) for name, user in named.items()]

    def _build(self, inputs: int) -> None:
        specs, users = self._specs()
        core = _core.network(inputs, specs, self.loss_name, self.seed, users)
        if self.penalty:
            core.penalty(None, self.penalty)
        self._core, self._about = core, core.about()

    def _built(self) -> Any:
        if self._core is None:
            raise ValueError("the network has no inputs yet: fit it, or give inputs= when making it")
        return self._core

    # ---------------------------------------------------------------------------------- data

    @staticmethod
    def _matrix(x: Array, name: str) -> Array:
        np = _numpy()
        x = np.asarray(_unmasked(x, name))
        if x.ndim != 2:
            raise ValueError(f"{name}: expected 2 dimensions, got {x.ndim}")
        if x.dtype.kind != "f":
            raise TypeError(f"{name}: expected float32 or float64, got {x.dtype}")
        return x

    @staticmethod
    def _target(y: Array, name: str) -> Array:
        np = _numpy()
        y = np.asarray(_unmasked(y, name))
        if y.dtype.kind not in "fiub":
            raise TypeError(f"{name}: expected numbers, got {y.dtype}")
        y = np.asarray(y, dtype=np.float64)
        return y[:, None] if y.ndim == 1 else y

    @staticmethod
    def _weights(weights: Array, name: str) -> Array:
        return weights if weights is None else _numpy().asarray(_unmasked(weights, name))

    def _data(self, x: Array, y: Array, weights: Array, suffix: str = "") -> tuple:
        return (self._matrix(x, "x" + suffix), self._target(y, "y" + suffix),
                self._weights(weights, "weights" + suffix))

    def _validation(self, data: tuple, validation: Any) -> tuple[tuple, tuple]:
        """Training and validation rows, the latter given or a fraction drawn by the seed."""
        np = _numpy()
        if validation is None:
            return data, (None, None, None)
        if isinstance(validation, (tuple, list)):
            if len(validation) not in (2, 3):
                raise ValueError(f"validation: expected (x, y) or (x, y, weights), got {len(validation)} entries")
            given = self._data(*validation, *([None] if len(validation) == 2 else []), "_valid")
            if len(given[0]) == 0:
                raise ValueError("validation: expected rows, got none")
            return data, given
        if not hasattr(validation, "__float__"):
            raise TypeError(f"validation: expected (x, y), (x, y, weights) or a fraction, got {validation!r}")
        if not 0 < validation < 1:
            raise ValueError(f"validation: expected a fraction between 0 and 1, got {validation!r}")
        rows = np.random.default_rng(self.seed).permutation(len(data[0]))
        count = max(1, int(round(validation * len(rows))))
        held, kept = np.sort(rows[:count]), np.sort(rows[count:])
        return tuple(tuple(None if part is None else part[which] for part in data)  # type: ignore[return-value]
                     for which in (kept, held))

    # ------------------------------------------------------------------------------ training

    def fit(self, x: Array, y: Array, *, weights: Array = None, validation: Any = None, optimizer: str = "auto",
            epochs: int | None = None, batch: int | None = None, rate: float | None = None,
            momentum: float | None = None, nesterov: bool | None = None, decay: float | None = None,
            beta1: float | None = None, beta2: float | None = None, weight_decay: float | None = None,
            tolerance: float | None = None, memory: int | None = None, patience: int | None = None,
            running: bool | None = None, update: float | None = None, running_ddof: float | None = None,
            progress: Any = None, threads: int | None = None) -> Net:
        """Fits the network from its present parameters, and returns it; `report` says how it went.

        x: N x inputs. y: N, or N x outputs. weights: N, >= 0: a whole weight is that many copies
        of the row. validation: (x, y), (x, y, weights), or a fraction of the rows: the best
        parameters by validation loss are kept, and `patience` epochs without a better one stop
        the fit. optimizer: "auto" (L-BFGS on small data without dropout, else Adam), "lbfgs", "sgd",
        "rmsprop" or "adam"; the other options are the library's, bnorm_fit_options. progress: a
        function of a `Progress`, whose true answer stops the fit; True for a bar (tqdm), False
        for none, None for a bar where there is a terminal.

        Ctrl-C raises KeyboardInterrupt; the network then holds the best parameters so far.
        """
        data = self._data(x, y, weights)
        train, valid = self._validation(data, validation)
        if self._core is None:
            self._build(data[0].shape[1])
        given = {"epochs": epochs, "batch": batch, "rate": rate, "momentum": momentum, "nesterov": nesterov,
                 "decay": decay, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay,
                 "tolerance": tolerance, "memory": memory, "patience": patience, "running": running,
                 "update": update, "running_ddof": running_ddof}
        options = {key: value for key, value in given.items() if value is not None}
        options.update(optimizer=optimizer, seed=self.seed)
        show, close = _bar(progress)
        core = self._core  # whatever the progress function does to this object
        try:
            self.report = FitReport(*core.fit(*train, *valid, options, show, threads))
        finally:
            close()
        for key in ("optimizer", "epochs", "loss", "validation"):
            value = getattr(self.report, key)
            if value == value:
                core.note(key, value)
        return self

    # ---------------------------------------------------------------------------- prediction

    def predict(self, x: Array, *, threads: int | None = None) -> Array:
        """The mean response of each row: N values for one output, else N x outputs.

        Logistic and softmax losses give probabilities. For a model with a formula, x is a table: a
        mapping of column names to values (a DataFrame, a dict); rows with missing values give NaN.
        A row's prediction does not depend on the others, to the bit.
        """
        core = self._built()
        if self._about[3] is not None:
            return self._shaped(self._predict_table(x, threads))
        return self._shaped(core.predict(self._matrix(x, "x"), True, threads))

    def scores(self, x: Array, *, threads: int | None = None) -> Array:
        """The outputs before the loss makes probabilities of them; x as the layers take it."""
        return self._shaped(self._built().predict(self._matrix(x, "x"), False, threads))

    @staticmethod
    def _shaped(values: Array) -> Array:
        return values[:, 0] if values.shape[1] == 1 else values

    def _predict_table(self, table: Any, threads: int | None) -> Array:
        np = _numpy()
        if not hasattr(table, "items"):
            raise TypeError(f"x: expected a table (a DataFrame or a dict of columns) for the formula "
                            f"{self._about[3]}, got {type(table).__name__}")
        columns, rows = [], None
        for name, values in table.items():
            values = np.asarray(values)
            if rows is not None and len(values) != rows:
                raise ValueError(f"x: expected {rows} values in column {name!r}, got {len(values)}")
            rows = len(values)
            if values.dtype.kind in "fiub":
                columns.append((str(name), np.asarray(values, dtype=np.float64)))
            else:
                cells = [None if v is None or v != v else str(v) for v in values.tolist()]
                columns.append((str(name), cells))
        return self._core.predict_table(columns, rows or 0, threads)

    def loss(self, x: Array, y: Array, *, weights: Array = None, threads: int | None = None) -> float:
        """R in inference, without penalties."""
        return self._built().loss(*self._data(x, y, weights), threads)

    def gradient(self, x: Array, y: Array, *, weights: Array = None, seed: int = 0, step: int = 0,
                 threads: int | None = None) -> tuple[float, dict[str, Array]]:
        """R of a training pass over the rows, and dR of each parameter block; seed and step are dropout's."""
        value, gradient = self._built().gradient(*self._data(x, y, weights), seed, step, threads)
        return value, self._by_block(gradient)

    def population(self, x: Array, *, weights: Array = None, threads: int | None = None) -> None:
        """Sets the inference statistics of every BatchNorm to the exact moments over x."""
        self._built().population(self._matrix(x, "x"), self._weights(weights, "weights"), threads)

    def check_gradient(self, x: Array, y: Array, *, weights: Array = None, entries: int = 0, seed: int = 1,
                       threads: int | None = None) -> CheckReport:
        """Compares the gradient with central differences, block by block: at most `entries` of each, 0 for all.

        The layers of your own are covered. The report's `ok` says whether all blocks agree.
        """
        if self._core is None:
            self._build(self._matrix(x, "x").shape[1])
        found = self._core.check(*self._data(x, y, weights), seed, entries, threads)
        return CheckReport(BlockCheck(*block) for block in found)

    # ---------------------------------------------------------------------------- parameters

    def _by_block(self, vector: Array) -> dict[str, Array]:
        return {name: vector[at:at + rows * cols].reshape(rows, cols)
                for name, rows, cols, at, _ in self._core.blocks()}

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the parameter blocks by name: "G1", "bias1", "gamma1", "beta1", "G2", ..."""
        return self._by_block(self._built().parameters(None))

    def set_parameters(self, blocks: Mapping[str, Array]) -> None:
        """Replaces some blocks of parameters."""
        np = _numpy()
        vector = self._built().parameters(None)
        into = self._by_block(vector)
        for name, values in blocks.items():
            if name not in into:
                raise ValueError(f"blocks: expected some of {', '.join(into)}, got {name!r}")
            if np.shape(values) != into[name].shape:
                raise ValueError(f"{name}: expected shape {into[name].shape}, got {np.shape(values)}")
            into[name][:] = values
        self._core.parameters(vector)

    @property
    def statistics(self) -> list[tuple[Array, Array]]:
        """Mean and variance that each BatchNorm uses in inference: copies."""
        core = self._built()
        return [core.statistics(k, None, None) for k, layer in enumerate(core.layers()) if layer[0] == 1]

    @property
    def formula(self) -> str | None:
        """The formula of a model that was fitted to a table, else None."""
        return self._about[3] if self._about else None

    @property
    def notes(self) -> dict[str, float | str]:
        """Numbers and texts about the training, as the model file has them."""
        return self._built().notes()

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        return f"Net([{layers}], loss={self.loss_name!r}, inputs={self._about[0] if self._about else None})"

    # --------------------------------------------------------------------------------- files

    def save(self, path: str | os.PathLike) -> None:
        """Writes the model file (safetensors) that the command and the R package read too."""
        self._built().save(path)

    @classmethod
    def load(cls, path: str | os.PathLike, layers: Iterable[Layer] = ()) -> Net:
        """Reads a model file; layers: instances of the layers of your own, found by name.

        Those of one name are taken in their order in the network: give each instance that it has.
        """
        by_name = _named(layers)
        core = _core.load(path, [(name, _Adapter(layer)) for name, layer in by_name.items()])
        used = {name for _, name, *_ in core.layers()}
        for name, layer in by_name.items():
            if name not in used and _layer_name(layer) in used and name != _layer_name(layer):
                raise ValueError(f"layers: got more instances named {_layer_name(layer)} than the network has, so that "
                                 "they cannot be told apart")
        net = cls.__new__(cls)
        net._core, net._about, net.report = core, core.about(), None
        net.loss_name, net.seed = net._about[2], 1
        net.penalty = max((penalty for *_, penalty in core.blocks()), default=0.0)
        net.layers = []
        for kind, name, _, outputs, _, eps, ddof, rate in core.layers():
            made = {0: lambda: Dense(outputs), 1: lambda: BatchNorm(eps, ddof), 2: lambda: name,
                    3: lambda: Dropout(rate), 4: lambda: by_name[name]}[kind]
            net.layers.append(made())
        return net

    def __getstate__(self) -> dict:
        state = {key: value for key, value in self.__dict__.items() if key != "_core"}
        if self._core is not None:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model")
                self._core.save(path)
                with open(path, "rb") as file:
                    state["model"] = file.read()
        return state

    def __setstate__(self, state: dict) -> None:
        model = state.pop("model", None)
        self.__dict__.update(state, _core=None)
        if model is not None:
            users = self._specs()[1]
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model")
                with open(path, "wb") as file:
                    file.write(model)
                self._core = _core.load(path, users)
