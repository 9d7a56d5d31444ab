"""Networks: dense layers, batch normalisation, activations, dropout and layers of the caller's own."""
from __future__ import annotations

import os
import sys
import tempfile
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Sequence

from . import _core

Array = Any


class Dense:
    """A dense layer of `units` columns: Z = X G + 1 bias', without bias where a BatchNorm follows."""

    def __init__(self, units: int):
        self.units = units

    def __repr__(self) -> str:
        return f"Dense({self.units})"


class BatchNorm:
    """Batch normalisation: by the batch's statistics in training, by the inference statistics in prediction."""

    def __init__(self, eps: float = 1e-5, ddof: float = 0):
        self.eps, self.ddof = eps, ddof

    def __repr__(self) -> str:
        return f"BatchNorm(eps={self.eps!r}, ddof={self.ddof!r})"


class Dropout:
    """In training each value is kept with probability 1 - rate, and divided by it."""

    def __init__(self, rate: float):
        self.rate = rate

    def __repr__(self) -> str:
        return f"Dropout({self.rate!r})"


class Pass(NamedTuple):
    """What a layer of the caller's own is told about a pass over some rows."""

    training: bool
    weights: Array  # of the rows given, or None
    first_row: int  # number, within the batch, of the first row given
    seed: int
    step: int


class Layer:
    """A layer of your own: subclass it, and put an instance into the list of a `Net`.

    Arrays are float64, rows x columns; those given are copies. In inference rows must not
    influence one another. `Net.check_gradient` compares backward with differences of forward.

    >>> import numpy as np, bnorm
    >>> class Scale(bnorm.Layer):
    ...     '''y = x diag(s)'''
    ...     def parameters(self, inputs):
    ...         return {"s": (1, inputs)}
    ...     def start(self, inputs, rng):
    ...         return {"s": np.ones((1, inputs))}
    ...     def forward(self, x, params, about):
    ...         return x * params["s"]
    ...     def backward(self, dy, x, y, params, about):
    ...         return dy * params["s"], {"s": (dy * x).sum(0, keepdims=True)}
    >>> rng = np.random.default_rng(1)
    >>> x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    >>> net = bnorm.Net([Scale(), bnorm.Dense(1)], inputs=3)
    >>> net.check_gradient(x, y).ok
    True
    """

    #: The name in model files, by which `Net.load` finds the layer; the class's name if not set. Further
    #: instances of one name in a network are name#2, name#3, ...
    name: str | None = None

    def width(self, inputs: int) -> int:
        """Columns of the output for that many inputs."""
        return inputs

    def parameters(self, inputs: int) -> Mapping[str, tuple]:
        """At most 4 parameters: name -> (rows, cols) or (rows, cols, penalised)."""
        return {}

    def start(self, inputs: int, rng: Any) -> Mapping[str, Array]:
        """Starting values, drawn from a numpy.random.Generator; those left out are 0."""
        return {}

    def forward(self, x: Array, params: Mapping[str, Array], about: Pass) -> Array:
        """y = f(x), rows x width(inputs)."""
        raise NotImplementedError

    def backward(self, dy: Array, x: Array, y: Array, params: Mapping[str, Array],
                 about: Pass) -> tuple[Array, Mapping[str, Array]]:
        """dx, and the gradient of each parameter."""
        raise NotImplementedError


def _numpy() -> Any:
    import numpy
    return numpy


def _unmasked(values: Any, name: str) -> Any:
    """The values, none of them hidden by a mask, which an array of NumPy would lose."""
    if _numpy().ma.is_masked(values):
        raise ValueError(f"{name}: expected no masked values, got some: fill them first")
    return values


def _layer_name(layer: Layer) -> str:
    return layer.name or type(layer).__name__


def _named(layers: Iterable[Layer]) -> dict[str, Layer]:
    """Each instance once, by a name of its own: the second of one name is name#2, and so on."""
    named: dict[str, Layer] = {}
    for layer in layers:
        if any(known is layer for known in named.values()):
            continue
        name, same = _layer_name(layer), 1
        while name in named:
            same += 1
            name = f"{_layer_name(layer)}#{same}"
        named[name] = layer
    return named


class _Adapter:
    """A Layer as the library's functions want it: parameters in one vector."""

    def __init__(self, layer: Layer):
        self.layer = layer
        self._first: dict[tuple, Any] = {}

    def _same(self, what: str, inputs: int, answer: Any) -> Any:
        """The answer, which must be the first one: the network is made for that."""
        first = self._first.setdefault((what, inputs), answer)
        if first != answer:
            raise ValueError(f"layer {_layer_name(self.layer)}: {what} changed for {inputs} inputs: expected {first!r} "
                             f"as when the network was made, got {answer!r}")
        return first

    def width(self, inputs: int) -> int:
        width = self.layer.width(inputs)
        if not hasattr(width, "__index__") or width < 1:
            raise ValueError(f"layer {_layer_name(self.layer)}: expected a width of at least 1, got {width!r}")
        return self._same("width", inputs, width.__index__())

    def blocks(self, inputs: int) -> list:
        blocks: list[tuple] = []
        for name, shape in self.layer.parameters(inputs).items():
            rows, cols, *penalised = shape
            if not 0 < len(name.encode()) < 16:
                raise ValueError(f"layer {_layer_name(self.layer)}: expected names of 1 to 15 bytes, got {name!r}")
            if not hasattr(rows, "__index__") or not hasattr(cols, "__index__"):
                raise TypeError(f"layer {_layer_name(self.layer)}: expected (rows, cols) of ints for {name!r}, "
                                f"got {shape!r}")
            blocks.append((name, rows.__index__(), cols.__index__(), float(bool(penalised and penalised[0]))))
        return self._same("parameters", inputs, blocks)

    def _made(self, inputs: int) -> list:
        """The blocks as when the network was made."""
        return self._first.get(("parameters", inputs)) or self.blocks(inputs)

    def split(self, inputs: int, values: Array) -> dict:
        parts, at = {}, 0
        for name, rows, cols, _ in self._made(inputs):
            parts[name] = values[at:at + rows * cols].reshape(rows, cols)
            at += rows * cols
        return parts

    def join(self, inputs: int, parts: Mapping[str, Array], what: str) -> Array:
        np = _numpy()
        values = np.zeros(sum(rows * cols for _, rows, cols, _ in self._made(inputs)))
        into = self.split(inputs, values)
        for name, part in parts.items():
            if name not in into:
                raise ValueError(f"layer {_layer_name(self.layer)}: {what} has {name!r}, which is no parameter")
            if np.shape(part) != into[name].shape:
                raise ValueError(f"layer {_layer_name(self.layer)}: {what} of {name!r}: expected shape "
                                 f"{into[name].shape}, got {np.shape(part)}")
            into[name][:] = part
        return values

    def start(self, inputs: int, seed: int, stream: int) -> Array:
        return self.join(inputs, self.layer.start(inputs, _numpy().random.default_rng([seed, stream])), "start")

    def _about(self, given: tuple, inputs: int) -> tuple[dict, Pass]:
        values, training, weights, first_row, seed, step = given
        self.blocks(inputs)  # still the same ones
        return self.split(inputs, values), Pass(bool(training), weights, first_row, seed, step)

    def _check(self, array: Array, shape: tuple, what: str) -> Array:
        array = _numpy().asarray(array)
        if array.dtype.kind == "c":
            raise TypeError(f"layer {_layer_name(self.layer)}: {what}: expected real numbers, got {array.dtype}")
        array = _numpy().asarray(array, dtype="float64")
        if array.shape != shape:
            raise ValueError(f"layer {_layer_name(self.layer)}: {what}: expected shape {shape}, got {array.shape}")
        return array

    def forward(self, given: tuple, x: Array) -> Array:
        params, about = self._about(given, x.shape[1])
        return self._check(self.layer.forward(x, params, about), (len(x), self.width(x.shape[1])), "forward")

    def backward(self, given: tuple, dy: Array, x: Array, y: Array) -> tuple[Array, Array]:
        params, about = self._about(given, x.shape[1])
        dx, gradients = self.layer.backward(dy, x, y, params, about)
        return self._check(dx, x.shape, "dx of backward"), self.join(x.shape[1], gradients, "backward")


class FitReport(NamedTuple):
    """What a fit did: the epoch whose parameters were kept, its losses on training and validation rows."""

    optimizer: str
    epochs: int
    best_epoch: int
    loss: float
    validation: float
    converged: bool
    seconds: float
    stopped: bool  # by the progress function


class Progress(NamedTuple):
    """What a progress function is told after each epoch."""

    epoch: int
    epochs: int
    loss: float
    validation: float
    seconds: float


class BlockCheck(NamedTuple):
    """One block of parameters in a gradient check: its worst entry, beside the difference quotient."""

    name: str
    row: int
    col: int
    analytic: float
    numeric: float
    error: float
    bound: float
    ok: bool


class CheckReport(list):
    """A list of `BlockCheck`; `ok` says whether every block agrees."""

    @property
    def ok(self) -> bool:
        return all(block.ok for block in self)

    def __str__(self) -> str:
        rows = [f"{'block':<18}{'error':>10}{'bound':>12}  ok"]
        rows += [f"{b.name:<18}{b.error:>10.3g}{b.bound:>12.3g}  {'yes' if b.ok else 'NO'}" for b in self]
        return "\n".join(rows)


def _bar(progress: Any) -> tuple[Callable | None, Callable]:
    """The function to call after each epoch, and the one that ends it."""
    def nothing() -> None:
        pass

    if callable(progress):
        return lambda *told: progress(Progress(*told)), nothing
    if progress is None:
        progress = hasattr(sys.stderr, "isatty") and sys.stderr.isatty()
    if not progress:
        return None, nothing
    try:
        from tqdm import tqdm
    except ImportError:
        return None, nothing
    bar = tqdm(unit="epoch", leave=False)

    def show(epoch: int, epochs: int, loss: float, validation: float, seconds: float) -> bool:
        bar.total = epochs
        told = {"loss": f"{loss:.4g}"}
        if validation == validation:
            told["validation"] = f"{validation:.4g}"
        bar.set_postfix(told, refresh=False)
        bar.update(epoch - bar.n)
        return False

    return show, bar.close


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
