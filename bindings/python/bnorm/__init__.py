"""bnorm: batch normalisation as matrix algebra, with exact gradients.

The functions of this module work on matrices: `rows x cols`, a row an observation, a column a
variable. They take whatever lends memory on the CPU, by the buffer protocol (NumPy arrays,
memoryviews), ``__array_interface__`` or DLPack (torch tensors), in float32 or float64, row-major or
column-major, padded or not, without a copy; other strides cost one copy. Statistics are float64
whatever the data. The lock of the interpreter is released while the library computes.

>>> import numpy as np, bnorm
>>> x = np.array([[1., 10.], [2., 20.], [3., 60.]])
>>> y, stats = bnorm.forward(x)
>>> stats.mean
array([ 2., 30.])
>>> dx, dgamma, dbeta = bnorm.backward(np.ones((3, 2)), x, None, stats)
>>> dbeta
array([3., 3.])

Networks: `Net`, with `Dense`, `BatchNorm`, `Dropout`, activations by name and `Layer` for your own;
estimators for scikit-learn are in `bnorm.sklearn`. Structured (panel) models: `PanelNet`, with linear
terms, networks, fixed effects and standard errors; `demean` takes fixed effects out of a matrix.
"""
from . import _core
from ._layers import BatchNorm, Dense, Dropout, Layer
from ._matrix import (Gram, Moments, Stats, backward, dense_backward, dense_forward, fold, forward,
                      get_threads, gram, group_norm, group_norm_backward, infer, infer_backward, jacobian, layer_norm,
                      layer_norm_backward, merge, moments, set_threads)
from ._net import Net
from ._panel import PanelNet
from ._panel_reports import CovarianceInfo, CrossValidation, Margins, PanelInfo, PanelReport, Prediction, Profile
from ._panel_results import PanelResults
from ._reports import BlockCheck, FitReport
from ._running import RunningStats
from ._within import demean

__version__: str = _core.version()


def isa() -> str:
    """The instruction set of the kernels in use: "avx512", "avx2", "neon" or "scalar".

    The environment variable BNORM_ISA names a lesser one than the processor's best.
    """
    return _core.isa()


__all__ = [
    "BatchNorm", "BlockCheck", "CovarianceInfo", "CrossValidation", "Dense", "Dropout", "FitReport", "Gram", "Layer",
    "Margins", "Moments", "Net", "PanelInfo", "PanelNet", "PanelReport", "PanelResults", "Prediction", "Profile",
    "RunningStats", "Stats", "backward", "demean", "dense_backward", "dense_forward", "fold", "forward", "get_threads",
    "gram", "group_norm", "group_norm_backward", "infer", "infer_backward", "isa", "jacobian", "layer_norm",
    "layer_norm_backward", "merge", "moments", "set_threads",
]
