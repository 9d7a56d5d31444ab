"""Estimators for scikit-learn: batch-normalised networks for regression and classification.

>>> import numpy as np
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from bnorm.sklearn import BatchNormRegressor
>>> rng = np.random.default_rng(1)
>>> x = rng.normal(size=(200, 3))
>>> y = np.tanh(x[:, 0]) + x[:, 1]
>>> model = make_pipeline(StandardScaler(), BatchNormRegressor((8,), random_state=1)).fit(x, y)
>>> bool(model.score(x, y) > 0.95)
True
"""
from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ._layers import BatchNorm, Dense, Dropout
from ._matrix import moments
from ._net import Net

__all__ = ["BatchNormClassifier", "BatchNormRegressor"]


class _Estimator(BaseEstimator):
    """What both estimators share. Inputs are standardised by the moments of all rows."""

    def __init__(self, hidden: tuple = (16,), activation: str = "relu", *, dropout: float = 0.0, penalty: float = 1e-4,
                 optimizer: str = "auto", epochs: int | None = None, batch: int | None = None,
                 rate: float | None = None, eps: float = 1e-5, ddof: float = 0, early_stopping: bool = False,
                 validation_fraction: float = 0.1, patience: int = 20, random_state: Any = None,
                 progress: Any = False, threads: int | None = None):
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.penalty = penalty
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.eps = eps
        self.ddof = ddof
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.progress = progress
        self.threads = threads

    def _layers(self, rows: float, outputs: int) -> list:
        """One observation alone has no variance to divide by: no normalisation then."""
        layers: list = []
        for units in (self.hidden if hasattr(self.hidden, "__len__") else (self.hidden,)):
            if not hasattr(units, "__index__"):
                raise TypeError(f"hidden: expected ints, got {self.hidden!r}")
            layers.append(Dense(units.__index__()))
            if rows > max(1, self.ddof):
                layers.append(BatchNorm(self.eps, self.ddof))
            layers.append(self.activation)
            if self.dropout:
                layers.append(Dropout(self.dropout))
        return layers + [Dense(outputs)]

    def _weigh(self, x: Any, sample_weight: Any) -> Any:
        """The weights, or None; they must leave something to fit."""
        if sample_weight is None:
            return None
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64)
        if (weights < 0).any():
            raise ValueError("sample_weight: expected values of at least 0, got a negative one")
        if not weights.any():
            raise ValueError("sample_weight: expected some above 0, got zeros only")
        return weights

    def _prepared(self, x: Any, y: Any, weights: Any) -> tuple:
        """The rows that count, in an order of their own: sums depend on the order of their terms, so the
        same rows in any order give the same fit."""
        if weights is not None:
            kept = weights > 0  # a row of weight 0 changes nothing
            x, y, weights = x[kept], y[kept], weights[kept]
            if (weights == 1).all():
                weights = None
        columns = [x, y] if weights is None else [x, y, weights[:, None]]
        order = np.lexsort(np.hstack(columns).T)
        return x[order], y[order], None if weights is None else weights[order]

    def _fit(self, x: Any, y: Any, weights: Any, loss: str, outputs: int) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._center, self._scale = self._scaling(x, weights)
        x = (x - self._center) / self._scale
        held = self._held(len(x), seed)
        kept = np.setdiff1d(np.arange(len(x)), held)

        def weight_of(rows: Any) -> Any:
            return None if weights is None else weights[rows]

        self.net_ = Net(self._layers(len(kept), outputs), loss=loss, seed=seed, penalty=self.penalty)
        validation = (x[held], y[held], weight_of(held)) if len(held) else None
        self.net_.fit(x[kept], y[kept], weights=weight_of(kept), validation=validation, optimizer=self.optimizer,
                      epochs=self.epochs, batch=self.batch, rate=self.rate, patience=self.patience,
                      progress=self.progress, threads=self.threads)
        self.n_iter_ = max(1, self.net_.report.epochs)
        self.loss_ = self.net_.report.loss

    @staticmethod
    def _scaling(a: Any, weights: Any) -> tuple:
        """Center and scale of each column, 1 for a constant one."""
        n, mean, m2 = moments(a, weights=weights)
        scale = np.sqrt(m2 / n)
        return mean, np.where(scale > 0, scale, 1.0)

    def _held(self, rows: int, seed: int) -> Any:
        """The rows of validation, for early stopping."""
        if not self.early_stopping:
            return np.arange(0)
        if not 0 < self.validation_fraction < 1:
            raise ValueError("validation_fraction: expected a number between 0 and 1, got "
                             f"{self.validation_fraction!r}")
        count = min(max(1, int(round(self.validation_fraction * rows))), rows - 2)
        return np.sort(np.random.default_rng(seed).permutation(rows)[:max(count, 0)])

    def _inputs(self, x: Any) -> Any:
        check_is_fitted(self, "net_")
        x = self._validate_data(x, dtype=np.float64, reset=False)
        return (x - self._center) / self._scale


class BatchNormRegressor(RegressorMixin, _Estimator):
    """A batch-normalised network fitted by least squares.

    hidden: units of each hidden layer, which is dense, batchnorm, activation and, if dropout > 0,
    dropout. penalty: lambda of lambda |G|^2 for the weights. optimizer, epochs, batch, rate: as in
    `bnorm.Net.fit`. early_stopping: holds back validation_fraction of the rows, keeps the best
    parameters by their loss, and stops after `patience` epochs without a better one. threads: None
    for the default of `bnorm.set_threads`. Inputs and targets are standardised inside.

    A sample_weight of k counts as k copies of the row, also in n - ddof: with ddof=1 weights of mean
    1 are the usual choice. The fits by weights and by copies differ by rounding, which a long fit
    by L-BFGS amplifies.

    After fit: net_ (the `bnorm.Net`), n_features_in_, n_iter_, loss_.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BatchNormRegressor:
        """Fits to X (N x p) and y (N, or N x outputs)."""
        X, y = self._validate_data(X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        weights = self._weigh(X, sample_weight)
        y = np.asarray(y, dtype=np.float64)
        self._one_column = y.ndim == 1
        X, y, weights = self._prepared(X, y.reshape(len(y), -1), weights)
        self._y_center, self._y_scale = self._scaling(y, weights)
        self._fit(X, (y - self._y_center) / self._y_scale, weights, "squared", y.shape[1])
        return self

    def predict(self, X: Any) -> Any:
        """Predictions for the rows of X, as y was."""
        X = self._inputs(X)
        scores = self.net_.scores(X, threads=self.threads).reshape(len(X), -1)
        y = scores * self._y_scale + self._y_center
        return y[:, 0] if self._one_column else y

    def _more_tags(self) -> dict:
        return {"multioutput": True}


class BatchNormClassifier(ClassifierMixin, _Estimator):
    """A batch-normalised network for classes: logistic loss for two, softmax for more.

    The parameters are those of `BatchNormRegressor`. After fit also: classes_.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BatchNormClassifier:
        """Fits to X (N x p) and classes y (N)."""
        X, y = self._validate_data(X, y, dtype=np.float64)
        check_classification_targets(y)
        weights = self._weigh(X, sample_weight)
        self.classes_, codes = np.unique(y, return_inverse=True)
        X, codes, weights = self._prepared(X, codes.astype(np.float64)[:, None], weights)
        if len(np.unique(codes)) < 2:
            raise ValueError("y: expected at least 2 classes, got 1 class")
        two = len(self.classes_) == 2
        self._fit(X, codes, weights, "logistic" if two else "softmax", 1 if two else len(self.classes_))
        return self

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of each of classes_, N x classes."""
        check_is_fitted(self, "net_")
        p = self.net_.predict(self._inputs(X), threads=self.threads)
        return np.column_stack([1 - p, p]) if p.ndim == 1 else p

    def decision_function(self, X: Any) -> Any:
        """Scores: the logit of the second of two classes (N), else one a class (N x classes)."""
        check_is_fitted(self, "net_")
        return self.net_.scores(self._inputs(X), threads=self.threads)

    def predict(self, X: Any) -> Any:
        """The most probable class of each row."""
        p = self.predict_proba(X)
        return self.classes_[np.argmax(p, axis=1)]
