"""What structured models tell: of their rows, of a fit, of predictions, profiles and cross-validation."""
from __future__ import annotations

import math
from typing import Any, NamedTuple

from ._layers import _numpy
from ._table import Table

Array = Any


class PanelInfo(NamedTuple):
    """What a structured model is, and after the fit how well it does: bnorm_panel_info."""

    table_rows: int
    missing: int  # rows left out: a value is missing,
    weightless: int  # their weight is 0 or missing,
    singletons: int  # or they are alone in a level of a factor
    rows: int  # those used
    units: int
    periods: int
    duplicates: int  # unit-period pairs seen again
    gaps: int  # unit-periods absent of units x periods
    logistic: bool
    fitted: bool
    linear: int
    dropped: int
    networks: int
    inputs: int
    top: int
    hidden: int
    factors: int
    absorbed: int
    n: float  # sum of the weights
    sse: float
    tss: float
    tss_within: float
    r2: float
    r2_within: float
    rmse: float
    sigma: float
    df: float


class PanelReport(NamedTuple):
    """What a fit of a structured model did; best, worst: objectives of its starts."""

    optimizer: str
    epochs: int
    best_epoch: int
    loss: float
    validation: float
    converged: bool
    seconds: float
    stopped: bool  # by the progress function
    starts: int
    best: float
    worst: float
    validation_rmse: float


class CovarianceInfo(NamedTuple):
    """What a covariance was made of: bnorm_vcov_info."""

    type: str
    full: bool
    parameters: int  # of the design
    rank: int  # directions that are identified
    unidentified: int  # those that are not
    clipped: int  # of two kinds of clusters: directions of negative variance, set to 0
    clusters: dict[str, int]  # their names and numbers
    edf: float  # effective parameters
    df: float  # of t
    sigma: float


class Prediction(NamedTuple):
    """Predictions with standard errors and confidence bounds of the mean response."""

    mean: Array
    se: Array
    lower: Array
    upper: Array


class Margins(NamedTuple):
    """Average marginal effects of the variables, with standard errors."""

    names: list
    estimate: Array
    se: Array


class Profile(NamedTuple):
    """The effect of a variable set to some values, less its sample mean, with confidence bounds."""

    at: Array
    effect: Array
    se: Array
    lower: Array
    upper: Array


class CrossValidation:
    """Errors of candidates on folds: rmse (candidates x folds), `best` the index of the least mean."""

    def __init__(self, candidates: list[dict], rmse: Array, best: int):
        self.candidates, self.rmse, self.best = candidates, rmse, best

    @property
    def best_options(self) -> dict:
        """Options of the best candidate, as `PanelNet` takes them."""
        return dict(self.candidates[self.best])

    def __str__(self) -> str:
        folds = self.rmse.shape[1]
        told = [", ".join(f"{key}={value!r}" for key, value in options.items()) for options in self.candidates]
        wide = max(map(len, told + ["candidate"]))
        lines = [f"{'candidate':<{wide}}{'rmse':>12}{'of folds':>12}"]
        for k, (text, errors) in enumerate(zip(told, self.rmse)):
            spread = f"{errors.min():.4g}-{errors.max():.4g}"
            lines.append(f"{text:<{wide}}{errors.mean():>12.5g}  {spread:>10}{'  best' if k == self.best else ''}")
        return "\n".join([*lines, f"{folds} folds"])

    __repr__ = __str__


class Origin(NamedTuple):
    """What results know of the model they come from; table and rows are None in those of a file."""

    formula: str
    target: str
    names: list[str]
    dropped: dict[str, str]
    networks: list[str]
    variables: list[str]
    factors: list[str]
    rows: Array
    table: Table | None

    @classmethod
    def of(cls, core: Any, table: Table | None) -> Origin:
        rows = core.rows()
        if rows is not None:
            rows = _numpy().frombuffer(rows, _numpy().intp)
        linear, dropped, networks, variables, factors, reasons = (core.names(part) for part in range(6))
        return cls(*core.about(), linear, dict(zip(dropped, reasons)), networks, variables, factors, rows, table)

    @property
    def is_pandas(self) -> bool:
        return self.table is not None and self.table.index is not None


class Described:
    """What a model and its results alike tell of where they come from."""

    _origin: Origin

    @property
    def formula(self) -> str:
        """The formula, written out."""
        return self._origin.formula

    @property
    def target(self) -> str:
        """The left side of the formula."""
        return self._origin.target

    @property
    def names(self) -> list[str]:
        """The linear terms, in the order of the coefficients."""
        return list(self._origin.names)

    @property
    def dropped(self) -> dict[str, str]:
        """Terms that are left out, and why: linear ones that others and the fixed effects explain, constant inputs."""
        return dict(self._origin.dropped)

    @property
    def variables(self) -> list[str]:
        """The variables that margins and profiles are of."""
        return list(self._origin.variables)

    @property
    def factors(self) -> list[str]:
        """The fixed effects."""
        return list(self._origin.factors)


class Summary(str):
    """A text that shows itself as it is."""

    def __repr__(self) -> str:
        return str(self)


def _special() -> Any:
    """The part of SciPy that has the t distribution."""
    try:
        from scipy import special
    except ImportError:
        raise ImportError("p-values and confidence bounds need SciPy: install it (pip install scipy; on Debian "
                          "python3-scipy)") from None
    return special


def p_values(t: Array, df: float) -> Array:
    """Of two-sided tests."""
    special = _special()
    return 2 * (special.stdtr(df, -abs(t)) if math.isfinite(df) else special.ndtr(-abs(t)))


def quantile(level: float, df: float) -> float:
    """How many standard errors a two-sided interval of this level reaches."""
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level!r}")
    special = _special()
    p = 0.5 + level / 2
    return float(special.stdtrit(df, p) if math.isfinite(df) else special.ndtri(p))
