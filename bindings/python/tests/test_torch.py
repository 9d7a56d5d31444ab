"""Beside PyTorch's autograd in float64, and on its tensors without a copy."""
import numpy as np
import pytest
import torch

import bnorm
from support import draw

EXACT = dict(rtol=1e-10, atol=1e-10)


def leaf(a):
    return torch.tensor(a, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("rows, cols", [(2, 1), (7, 3), (300, 33)])
def test_batch_norm(rows, cols):
    x, dy, gamma, beta = draw(rows, cols), draw(rows, cols, seed=1), draw(cols, seed=2), draw(cols, seed=3)
    tx, tg, tb = leaf(x), leaf(gamma), leaf(beta)
    mean, var = torch.zeros(cols, dtype=torch.float64), torch.ones(cols, dtype=torch.float64)
    ty = torch.nn.functional.batch_norm(tx, mean, var, tg, tb, training=True, momentum=0.1, eps=1e-5)
    ty.backward(torch.tensor(dy))
    y, stats = bnorm.forward(x, gamma, beta)
    dx, dgamma, dbeta = bnorm.backward(dy, x, gamma, stats)
    running = bnorm.RunningStats(cols)
    running.update(stats)
    for ours, theirs in ((y, ty.detach()), (dx, tx.grad), (dgamma, tg.grad), (dbeta, tb.grad), (running.mean, mean),
                         (running.var, var)):
        np.testing.assert_allclose(ours, theirs.numpy(), **EXACT)


def test_inference():
    x, dy, gamma, beta, mean = draw(9, 4), draw(9, 4, seed=1), *(draw(4, seed=k) for k in (2, 3, 4))
    var = np.abs(draw(4, seed=5))
    tx, tg, tb = leaf(x), leaf(gamma), leaf(beta)
    ty = torch.nn.functional.batch_norm(tx, torch.tensor(mean), torch.tensor(var), tg, tb, eps=1e-3)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(bnorm.infer(x, gamma, beta, mean, var, eps=1e-3), ty.detach().numpy(), **EXACT)
    for ours, theirs in zip(bnorm.infer_backward(dy, x, gamma, mean, var, eps=1e-3), (tx, tg, tb)):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), **EXACT)


def test_layer_and_group_norm():
    x, dy, gamma, beta = draw(6, 8), draw(6, 8, seed=1), draw(8, seed=2), draw(8, seed=3)
    tx, tg, tb = leaf(x), leaf(gamma), leaf(beta)
    torch.nn.functional.layer_norm(tx, (8,), tg, tb).backward(torch.tensor(dy))
    for ours, theirs in zip(bnorm.layer_norm_backward(dy, x, gamma, bnorm.layer_norm(x, gamma, beta)[1]), (tx, tg, tb)):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), **EXACT)
    x, dy = draw(3, 8, 5), draw(3, 8, 5, seed=1)
    tx, tg, tb = leaf(x), leaf(gamma), leaf(beta)
    ty = torch.nn.functional.group_norm(tx, 4, tg, tb)
    ty.backward(torch.tensor(dy))
    y, stats = bnorm.group_norm(x, 4, gamma, beta)
    np.testing.assert_allclose(y, ty.detach().numpy(), **EXACT)
    for ours, theirs in zip(bnorm.group_norm_backward(dy, x, 4, gamma, stats), (tx, tg, tb)):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), **EXACT)


def test_weight_space():
    x, g1, w, gamma, beta = draw(50, 4), draw(4, 3, seed=1), draw(50, 3, seed=2), draw(3, seed=3), draw(3, seed=4)
    tg1, tg, tb = leaf(g1), leaf(gamma), leaf(beta)
    torch.nn.functional.batch_norm(torch.tensor(x) @ tg1, None, None, tg, tb, training=True).backward(torch.tensor(w))
    gram = bnorm.gram(x)
    stats = bnorm.dense_forward(x, g1, gram, gamma, beta, eps=1e-5)[1]
    for ours, theirs in zip(bnorm.dense_backward(w, x, g1, gram, gamma, stats), (tg1, tg, tb)):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), **EXACT)


def test_a_network():
    x, y = draw(40, 3), draw(40, seed=1)
    net = bnorm.Net([bnorm.Dense(5), bnorm.BatchNorm(), "tanh", bnorm.Dense(1)], inputs=3)
    p = {name: leaf(block) for name, block in net.parameters.items()}
    z = torch.nn.functional.batch_norm(torch.tensor(x) @ p["G1"], None, None, p["gamma1"][0], p["beta1"][0], training=True)
    value = ((torch.tanh(z) @ p["G2"] + p["bias2"] - torch.tensor(y)[:, None]) ** 2).mean()
    value.backward()
    ours, gradient = net.gradient(x, y)
    np.testing.assert_allclose(ours, value.item(), rtol=1e-12)
    for name, block in gradient.items():
        np.testing.assert_allclose(block, p[name].grad.numpy(), **EXACT)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tensors_lend_their_memory(dtype):
    x = torch.tensor(draw(20, 3), dtype=dtype)
    out = torch.empty_like(x)
    answer, _ = bnorm.forward(x, out=out)
    assert answer is out and (out.numpy() == bnorm.forward(x.numpy())[0]).all()
    columns = x.t().contiguous().t()
    np.testing.assert_allclose(bnorm.forward(columns)[0], out.numpy(), rtol=1e-5, atol=1e-6)


def test_tensors_that_cannot():
    with pytest.raises(TypeError, match="x: .*detach"):
        bnorm.forward(leaf(draw(3, 2)))
    for dtype, name in ((torch.float16, "float16"), (torch.bfloat16, "bfloat16"), (torch.int64, "int64"),
                        (torch.complex64, "complex64")):
        with pytest.raises(TypeError, match=f"x: .*{name}"):
            bnorm.forward(torch.ones(3, 2, dtype=dtype))
