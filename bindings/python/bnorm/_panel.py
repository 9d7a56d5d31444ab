"""Structured (panel) models: linear terms, networks and fixed effects, from a formula and a table."""
from __future__ import annotations

import os
from typing import Any, Iterable, Mapping, Sequence

from . import _core
from ._layers import _numpy, _unmasked
from ._panel_covariance import covariance_options
from ._panel_reports import CrossValidation, Described, Origin, PanelInfo, PanelReport
from ._panel_results import PanelResults
from ._reports import BlockCheck, CheckReport, _bar
from ._table import Table, column

Array = Any


def _hidden(units: Any) -> list:
    """Units of hidden layers: None and () are no layer, a number is one."""
    if units is None:
        return []
    if hasattr(units, "__index__"):
        return [units]
    if isinstance(units, str) or not hasattr(units, "__iter__"):
        raise TypeError(f"hidden: expected a whole number, several, or None for no network, got {units!r}")
    return list(units)


def _choice(value: Any, name: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ValueError(f"{name}: expected {' or '.join(map(repr, choices))}, got {value!r}")
    return value


class PanelNet(Described):
    """A structured model (docs/maths.md section 6)::

        y_it = alpha_i (+ lambda_t ...) + P_it theta + sum_k V_k(X_k)_it G2_k + e_it

    formula: ``y ~ x1 + log(x2) + nn(z1, z2) + nn(z3) | id + year``: linear terms, networks in nn(), fixed effects
    after the bar (`id^year`: of combinations; `id[x]`: also slopes of x, `id[[x]]`: slopes alone). Without a bar there is an intercept. data: a DataFrame, a dict
    of columns or a NumPy array with named fields; text, categories and dates are factors, whose levels are sorted,
    numbers by value, the first being the reference; named levels of a DataFrame's index are columns, too. Rows with missing values, of weight 0 and alone in a level are left out and
    counted (`info`); linear terms that are collinear are left out and named (`dropped`).

    hidden: units of the hidden layers of each nn(), None for none: the nn() terms are left out then. activation,
    batchnorm, eps, ddof, dropout: of these layers. penalty, penalty_top, penalty_linear: lambda of hidden weights, of
    G2 and of theta, all free of units. loss: "squared", or "logistic" without fixed effects. weights: the name of a
    column, or N values, >= 0. unit, period: columns; by default the first and second factor after the bar. missing:
    "drop" or "error". singletons: "drop" or "keep". tolerance: of the projection. seed: of the networks' starts.

    >>> import numpy as np, bnorm
    >>> rng = np.random.default_rng(1)
    >>> firm, year = np.repeat(np.arange(30), 8), np.tile(np.arange(8), 30)
    >>> x, z = rng.normal(size=(2, 240))
    >>> y = 0.5*x + np.tanh(2*z) + rng.normal(size=30)[firm] + 0.1*rng.normal(size=240)
    >>> data = {"y": y, "x": x, "z": z, "firm": firm, "year": year}
    >>> result = bnorm.PanelNet.from_formula("y ~ x + nn(z) | firm + year", data, hidden=4).fit(cluster="firm")
    >>> result.names, bool(abs(result.params[0] - 0.5) < 0.05)
    (['x'], True)
    >>> bool(result.rsquared_within > 0.95)
    True

    Raises ValueError for what the formula or the data do not allow: the message names the place. TypeError for
    arguments of a wrong kind.
    """

    def __init__(self, formula: str, data: Any, *, hidden: Any = (8,), activation: str = "tanh",
                 batchnorm: bool = True, eps: float = 1e-5, ddof: float = 0, dropout: float = 0.0,
                 penalty: float = 0.0, penalty_top: float | None = None, penalty_linear: float = 0.0,
                 loss: str = "squared", weights: Any = None, unit: str | None = None, period: str | None = None,
                 missing: str = "drop", singletons: str = "drop", tolerance: float | None = None, seed: int = 1,
                 threads: int | None = None):
        if not isinstance(formula, str):
            raise TypeError(f"formula: expected a str, got {type(formula).__name__}")
        options = {"activation": activation, "batchnorm": batchnorm, "eps": eps, "ddof": ddof, "dropout": dropout,
                   "penalty": penalty, "penalty_top": penalty_top, "penalty_linear": penalty_linear, "loss": loss,
                   "unit": unit, "period": period, "tolerance": tolerance, "seed": seed,
                   "na_error": _choice(missing, "missing", ("drop", "error")) == "error",
                   "keep_singletons": _choice(singletons, "singletons", ("drop", "keep")) == "keep",
                   "dot_without": weights if isinstance(weights, str) else None}
        self._options = {key: value for key, value in options.items() if value is not None}
        self._formula, self._hidden, self._weights, self._threads = formula, _hidden(hidden), weights, threads
        self._table = Table(data)
        self._spare: list[Any] = [self._make()]  # a panel that was not fitted, for the next fit
        self._origin = Origin.of(self._spare[0], self._table)
        self.info = PanelInfo(**self._spare[0].describe())

    @classmethod
    def from_formula(cls, formula: str, data: Any, **options: Any) -> PanelNet:
        """The model of a formula and a table; the options are those of `PanelNet`."""
        return cls(formula, data, **options)

    # ------------------------------------------------------------------------------- building

    def _arguments(self) -> tuple:
        """What the library makes a panel from."""
        own = self._options
        needed = [self._formula, own.get("unit"), own.get("period")]
        weights = _weights(self._weights, self._table)
        hidden = self._hidden if self._hidden or "nn(" in self._formula.replace(" ", "") else None
        return (self._formula, self._table.select(needed), self._table.rows, weights, own, hidden)

    def _make(self) -> Any:
        return _core.panel(*self._arguments(), self._threads)

    def _take(self) -> Any:
        """A panel that was not fitted yet, and is nobody else's."""
        try:
            return self._spare.pop()
        except IndexError:
            return self._make()

    @property
    def networks(self) -> list[str]:
        """The nn() terms."""
        return list(self._origin.networks)

    @property
    def rows(self) -> Array:
        """Numbers, from 0, of the rows of the table that are used."""
        return self._origin.rows.copy()

    def __repr__(self) -> str:
        return f"PanelNet({self.formula!r}: {self.info.rows} rows, {self.info.units} units)"

    # -------------------------------------------------------------------------------- fitting

    def fit(self, cov_type: str | None = None, *, cluster: Any = None, full: bool = False, small: bool = True,
            count: str = "nested", cov_kwds: Mapping[str, Any] | None = None, starts: int = 1, validate: float = 0.0,
            hold: str | None = None, bags: int = 0, optimizer: str = "auto", epochs: int | None = None,
            batch: int | None = None, rate: float | None = None, momentum: float | None = None,
            nesterov: bool | None = None, decay: float | None = None, beta1: float | None = None,
            beta2: float | None = None, weight_decay: float | None = None, tolerance: float | None = None,
            memory: int | None = None, patience: int | None = None, progress: Any = None, seed: int | None = None,
            threads: int | None = None) -> PanelResults:
        """Fits the model from its start, and returns the results; the model stays as it is.

        Without nn() the fit is least squares. With it theta and G2 are solved for at every step, and hidden weights go
        by L-BFGS ("lbfgs") on the reduced loss, or, for large panels and with dropout ("auto" decides), by Adam on
        batches of whole units.

        cov_type: "classical", "hc0", "hc1" or "cluster"; by default "cluster" where there are fixed effects or `cluster`
        is given, else "classical"; the names of statsmodels and linearmodels do, too. cluster: a column, two of them
        for two ways, or N values; by default the unit. full: covariances from the Jacobian in all parameters in place of the top layer's design. small: the
        factors G/(G-1) (n-1)/(n-k) of clusters and n/(n-k) of "hc1". count: which fixed effects k counts for clusters:
        "nested" all but those nested in a cluster, "none", "all". cov_kwds: the same in a dict, as statsmodels has it
        (groups, use_correction).

        starts: fits from so many starts, of which the best is kept. validate: the share that is held out for early
        stopping, of `hold` "units", "periods" (the last ones) or "rows". bags: so many fits on units drawn with
        replacement, averaged; they have no covariance. The other options are the library's bnorm_fit_options. progress: a function of a
        `Progress`, whose true answer stops the fit; True for a bar (tqdm), False for none, None for a bar where there
        is a terminal. seed: of batches, dropout, bags and what is held out; None for the model's.

        Ctrl-C raises KeyboardInterrupt; the model can be fitted again.
        """
        wanted = covariance_options(cov_type, cluster, full, small, count, cov_kwds, self._origin.factors)
        given = {"epochs": epochs, "batch": batch, "rate": rate, "momentum": momentum, "nesterov": nesterov,
                 "decay": decay, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay, "tolerance": tolerance,
                 "memory": memory, "patience": patience}
        options = {key: value for key, value in given.items() if value is not None}
        options.update(optimizer=optimizer, seed=self._options["seed"] if seed is None else seed)
        core = self._take()  # the results' own from now on
        show, close = _bar(progress)
        try:
            report = PanelReport(*core.fit(options, starts, validate, hold, bags, show, self._use(threads)))
        finally:
            close()
        made = PanelResults._of(core, self._origin, report)
        asked = cov_type is not None or cluster is not None or cov_kwds or full
        return made if bags and not asked else made._with(wanted, self._use(threads))

    def _use(self, threads: int | None) -> int | None:
        return self._threads if threads is None else threads

    def check_gradient(self, *, entries: int = 0, seed: int = 1, threads: int | None = None) -> CheckReport:
        """The gradient of the reduced loss at the start beside central differences, block by block: at most `entries` of
        each, 0 for all. The target is moved at random first, since gradients vanish at a minimum."""
        core = self._take()
        found = core.check(seed, entries, self._use(threads))
        self._spare.append(core)
        return CheckReport(BlockCheck(*block) for block in found)

    @classmethod
    def cv(cls, formula: str, data: Any, candidates: Iterable[Any], *, by: str = "units", folds: int = 5,
           fit: Mapping[str, Any] | None = None, progress: Any = False, threads: int | None = None,
           **options: Any) -> CrossValidation:
        """Cross-validation: the error of every candidate on every fold of whole units or of consecutive periods:
        `CrossValidation`.

        candidates: dicts with some of hidden, penalty, penalty_top; hidden units alone; None for no network.
        by: "units", "periods" or "rows". fit: options of `fit` (starts, optimizer, epochs, ...), without bags. progress:
        as in `fit`; what a stop leaves undone is NaN. The other options are those of `PanelNet`.

        >>> import numpy as np, bnorm
        >>> rng = np.random.default_rng(1)
        >>> firm, z = np.repeat(np.arange(20), 8), rng.normal(size=160)
        >>> data = {"y": np.tanh(2*z) + firm + 0.1*rng.normal(size=160), "z": z, "firm": firm}
        >>> cv = bnorm.PanelNet.cv("y ~ z + nn(z) | firm", data, [None, 4], folds=4)
        >>> cv.rmse.shape, cv.best_options["hidden"]
        ((2, 4), (4,))
        """
        model = cls(formula, data, threads=threads, **options)
        listed = [_candidate(candidate, model._options) for candidate in candidates]
        if not listed:
            raise ValueError("candidates: expected at least one")
        fitting = dict(fit or {})
        starts, validate, hold, bags = (fitting.pop(key, usual) for key, usual in
                                        (("starts", 1), ("validate", 0.0), ("hold", None), ("bags", 0)))
        triples = [(_hidden(c["hidden"]), float(c["penalty"]), float(c["penalty_top"])) for c in listed]
        show, close = _bar(progress)
        try:
            rmse, best = _core.panel_cv(*model._arguments(), fitting, starts, validate, hold, bags, by, folds, triples,
                                        show, threads)
        finally:
            close()
        return CrossValidation(listed, rmse, best)

    # ---------------------------------------------------------------------------------- files

    @classmethod
    def load(cls, path: str | os.PathLike) -> PanelResults:
        """Reads the file of a fitted model: results that predict and tell, but have no rows."""
        return PanelResults.load(path)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_spare": []}


def _weights(weights: Any, table: Table) -> Array:
    """One weight a row, or None."""
    np = _numpy()
    if weights is None:
        return None
    if isinstance(weights, str):
        if weights not in table.columns:
            raise ValueError(f"weights: expected the name of a column, got {weights!r}")
        weights = column(table.columns[weights], weights)
        if isinstance(weights, tuple):
            raise TypeError("weights: expected a column of numbers, got levels")
        return weights
    weights = np.asarray(_unmasked(weights, "weights"))
    if weights.dtype.kind not in "fiub":
        raise TypeError(f"weights: expected numbers, got {weights.dtype}")
    return np.asarray(weights, dtype=np.float64)


def _candidate(candidate: Any, options: Mapping[str, Any]) -> dict:
    usual = {"hidden": (8,), "penalty": options.get("penalty", 0.0), "penalty_top": options.get("penalty_top", 1e-6)}
    given = dict(candidate) if hasattr(candidate, "items") else {"hidden": candidate}
    unknown = set(given) - set(usual)
    if unknown:
        raise ValueError(f"candidates: expected hidden, penalty and penalty_top, got {sorted(unknown)[0]!r}")
    made = {**usual, **given}
    made["hidden"] = tuple(_hidden(made["hidden"])) or None
    return made
