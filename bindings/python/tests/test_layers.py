"""Layers of one's own: answers that change, and instances of one class."""
import copy
import pickle

import numpy as np
import pytest

import bnorm
from support import draw

x = draw(50, 3)
y = x[:, 0].copy()


class Stack(bnorm.Layer):
    """y = x diag(1'c), c of `rows` rows: a number that can change."""

    def __init__(self, rows=1, columns=None):
        self.rows, self.columns = rows, columns

    def width(self, inputs):
        return self.columns or inputs

    def parameters(self, inputs):
        return {"c": (self.rows, inputs)}

    def start(self, inputs, rng):
        return {"c": np.ones((self.rows, inputs))}

    def forward(self, x, params, about):
        return np.tile(x * params["c"].sum(0), 1 if self.columns is None else self.columns // x.shape[1])

    def backward(self, dy, x, y, params, about):
        return dy * params["c"].sum(0), {"c": np.tile((dy * x).sum(0), (len(params["c"]), 1))}


class Power(bnorm.Layer):
    def __init__(self, power):
        self.power = power

    def forward(self, x, params, about):
        return x ** self.power

    def backward(self, dy, x, y, params, about):
        return dy * self.power * x ** (self.power - 1), {}


CALLS = [lambda net: net.predict(x), lambda net: net.gradient(x, y), lambda net: net.fit(x, y, epochs=2),
         lambda net: net.fit(x, y, epochs=2, optimizer="adam", batch=10), lambda net: net.check_gradient(x, y),
         lambda net: net.loss(x, y)]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("rows", [2, 200000])
def test_parameters_that_grow_are_refused(call, rows):
    layer = Stack()
    net = bnorm.Net([layer, bnorm.Dense(1)], inputs=3)
    expected = net.predict(x)
    layer.rows = rows
    with pytest.raises(ValueError, match="layer Stack: parameters changed for 3 inputs"):
        call(net)
    layer.rows = 1
    assert (net.predict(x) == expected).all()


def test_another_width_is_refused():
    layer = Stack(columns=3)
    net = bnorm.Net([layer, bnorm.Dense(1)], inputs=3)
    layer.columns = 300000
    with pytest.raises(ValueError, match="layer Stack: width changed"):
        net.predict(x)


def test_parameters_that_grow_while_a_network_is_made():
    """The starting values fit the room made for them, whatever the layer says by then."""
    class Growing(Stack):
        def parameters(self, inputs):
            self.rows *= 1000
            return super().parameters(inputs)

        def start(self, inputs, rng):
            return {}

    with pytest.raises(ValueError, match="layer Growing: parameters changed"):
        bnorm.Net([Growing(), bnorm.Dense(1)], inputs=3).predict(x)


def test_one_instance_at_two_widths():
    shared = Stack()
    net = bnorm.Net([shared, bnorm.Dense(5), shared, bnorm.Dense(1)], inputs=3)
    assert sum(block.size for block in net.parameters.values()) == 3 + 15 + 5 + 5 + 5 + 1
    assert net.check_gradient(x, y).ok
    again = pickle.loads(pickle.dumps(net))
    assert (again.predict(x) == net.predict(x)).all()


def test_instances_of_one_class_are_told_apart(tmp_path):
    net = bnorm.Net([Power(2), bnorm.Dense(3), Power(3), bnorm.Dense(1)], inputs=3)
    expected = net.predict(x)
    for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert (again.predict(x) == expected).all()
        assert [layer.power for layer in again.layers[::2]] == [2, 3]
    net.save(tmp_path / "model")
    again = bnorm.Net.load(tmp_path / "model", [Power(2), Power(3)])
    assert (again.predict(x) == expected).all() and [layer.power for layer in again.layers[::2]] == [2, 3]
    again.save(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "model").read_bytes()
    with pytest.raises(ValueError, match="Power"):
        bnorm.Net.load(tmp_path / "model", [Power(2)])
    with pytest.raises(ValueError, match="layers: got more instances named Power"):
        bnorm.Net.load(tmp_path / "model", [Power(2), Power(3), Power(4)])
    twice = Power(2)
    bnorm.Net([twice, bnorm.Dense(3), twice, bnorm.Dense(1)], inputs=3).save(tmp_path / "shared")
    with pytest.raises(ValueError, match="told apart"):
        bnorm.Net.load(tmp_path / "shared", [Power(2), Power(3)])
    bnorm.Net.load(tmp_path / "shared", [twice, twice]).predict(x)


def test_complex_results_are_refused():
    class Complex(Power):
        def forward(self, x, params, about):
            return x + 1j

    with pytest.raises(TypeError, match="layer Complex: forward: expected real"):
        bnorm.Net([Complex(1), bnorm.Dense(1)], inputs=3).predict(x)


def test_widths_are_whole_numbers_of_any_kind():
    class Wide(Power):
        def width(self, inputs):
            return np.int64(inputs)

    assert bnorm.Net([Wide(1), bnorm.Dense(1)], inputs=3).predict(x).shape == (50,)


def test_a_progress_function_that_takes_the_network_apart():
    net = bnorm.Net([bnorm.Dense(1)], inputs=3)
    net.fit(x, y, optimizer="adam", epochs=3, progress=lambda told: setattr(net, "_core", None))
    assert net.report.epochs == 3
