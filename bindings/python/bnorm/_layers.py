"""What networks are made of: dense layers, batch normalisation, dropout and layers of the caller's own."""
from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple

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
