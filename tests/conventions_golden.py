"""Makes tests/conventions_golden.h: three batches, and what each system of docs/conventions.md
makes of them. Run from the project's root, with PyTorch, ONNX, NumPy and R:
    python3 tests/conventions_golden.py > tests/conventions_golden.h
PyTorch and R are run themselves, and the function in which ONNX's own tests define the operator.
The paper, Keras and cs231n are written out from their texts, in the form they state.
"""
import subprocess

import numpy as np
import torch
from onnx.backend.test.case.node import batchnorm as onnx_batchnorm

SIZES, COLS = (5, 4, 7), 3
rng = np.random.default_rng(2015)
batches = [rng.normal([0.5, -3.0, 40.0], [1.0, 0.2, 5.0], size=(n, COLS)) for n in SIZES]
new = rng.normal([0.5, -3.0, 40.0], [1.0, 0.2, 5.0], size=(2, COLS))
gamma, beta = rng.normal(size=COLS), rng.normal(size=COLS)
dy = rng.normal(size=(SIZES[-1], COLS))


def infer(x, mean, var, eps):
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def pytorch():
    layer = torch.nn.BatchNorm1d(COLS, dtype=torch.float64)  # momentum 0.1, eps 1e-5
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(gamma))
        layer.bias.copy_(torch.tensor(beta))
    for batch in batches:
        x = torch.tensor(batch, requires_grad=True)
        y = layer(x)
    (y * torch.tensor(dy)).sum().backward()
    gradients = x.grad.numpy(), layer.weight.grad.numpy(), layer.bias.grad.numpy()
    layer.eval()
    at_inference = layer(torch.tensor(new)).detach().numpy()
    return (y.detach().numpy(), layer.running_mean.numpy(), layer.running_var.numpy(),
            at_inference), gradients


def onnx(momentum=0.9, eps=1e-5):
    mean, var = np.zeros(COLS), np.ones(COLS)  # given: the operator's inputs
    for batch in batches:
        _, mean, var = onnx_batchnorm._batchnorm_training_mode(batch, gamma, beta, mean, var,
                                                               momentum, eps)
        y = onnx_batchnorm._batchnorm_test_mode(batch, gamma, beta, batch.mean(0),
                                                batch.var(0), eps)
    return y, mean, var, onnx_batchnorm._batchnorm_test_mode(new, gamma, beta, mean, var, eps)


def exponential(momentum, eps, mean, var):
    """Keras: moving = moving * momentum + batch * (1 - momentum); cs231n: the same."""
    for batch in batches:
        mean = momentum * mean + (1 - momentum) * batch.mean(0)
        var = momentum * var + (1 - momentum) * ((batch - batch.mean(0)) ** 2).sum(0) / len(batch)
    return infer(batch, batch.mean(0), batch.var(0), eps), mean, var, infer(new, mean, var, eps)


def paper(eps):
    """Algorithm 2: E[x] = E_B[mu_B], Var[x] = E_B[m/(m-1) sigma_B^2]."""
    mean = np.mean([b.mean(0) for b in batches], axis=0)
    var = np.mean([len(b) / (len(b) - 1) * b.var(0) for b in batches], axis=0)
    last = batches[-1]
    return infer(last, last.mean(0), last.var(0), eps), mean, var, infer(new, mean, var, eps)


def r_scale():
    numbers = ",".join(f"{v:.17g}" for v in batches[-1].ravel())
    code = (f"x <- scale(matrix(c({numbers}), ncol = {COLS}, byrow = TRUE)); "
            "cat(sprintf('%.17g', c(t(x), attr(x, 'scaled:center'), attr(x, 'scaled:scale'))))")
    out = subprocess.run(["Rscript", "-e", code], check=True, capture_output=True, text=True)
    return np.array([float(v) for v in out.stdout.split()])


def array(name, values):
    cells = [f"{v:.17g}" for v in np.ravel(values)]
    lines = [", ".join(cells[k:k + 4]) for k in range(0, len(cells), 4)]
    print(f"static const double {name}[{len(cells)}] = {{\n    " + ",\n    ".join(lines) + "};")


def system(name, results):
    for what, values in zip(("y", "mean", "var", "inference"), results):
        array(f"{name}_{what}", values)


print("/* conventions_golden: made by tests/conventions_golden.py, with PyTorch "
      f"{torch.__version__}. */")
print("/* clang-format off */")
array("batches", np.concatenate(batches))
array("new_rows", new)
array("gamma_", gamma)
array("beta_", beta)
array("upstream", dy)
torch_results, torch_gradients = pytorch()
system("pytorch", torch_results)
for what, values in zip(("dx", "dgamma", "dbeta"), torch_gradients):
    array(f"pytorch_{what}", values)
system("onnx", onnx())
system("keras", exponential(0.99, 1e-3, np.zeros(COLS), np.ones(COLS)))
system("cs231n", exponential(0.9, 1e-5, np.zeros(COLS), np.zeros(COLS)))
system("paper", paper(1e-5))
scaled = r_scale()
array("r_y", scaled[:-2 * COLS])
array("r_mean", scaled[-2 * COLS:-COLS])
array("r_sd", scaled[-COLS:])
print("/* clang-format on */")
