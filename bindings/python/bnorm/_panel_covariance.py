"""Covariances of structured models: how they are asked for, and what is told of them."""
from __future__ import annotations

import math
from typing import Any, Mapping, NamedTuple, Sequence

from ._layers import _numpy
from ._panel_reports import CovarianceInfo, Origin, p_values, quantile

Array = Any
TYPES = ("classical", "hc0", "hc1", "cluster")  # bnorm_vcov_type
COUNTS = ("nested", "none", "all")  # bnorm_vcov_count
ALIASES = {"nonrobust": "classical", "unadjusted": "classical", "homoskedastic": "classical", "robust": "hc1",
           "heteroskedastic": "hc1", "clustered": "cluster"}


class Wanted(NamedTuple):
    """A covariance as it was asked for."""

    type: str
    clusters: tuple
    full: bool
    small: bool
    count: str


def covariance_options(cov_type: str | None, cluster: Any, full: bool, small: bool, count: str,
                       cov_kwds: Mapping[str, Any] | None, factors: Sequence[str]) -> Wanted:
    """One of our names for each choice, or ValueError. factors: those of the model; with them clusters are usual."""
    own = dict(cov_kwds or {})
    for alias, name in (("groups", "cluster"), ("use_correction", "small")):
        if alias in own:
            own[name] = own.pop(alias)
    unknown = set(own) - {"cluster", "full", "small", "count"}
    if unknown:
        raise ValueError(f"cov_kwds: expected cluster, full, small and count, got {sorted(unknown)[0]!r}")
    cluster, full = own.get("cluster", cluster), own.get("full", full)
    small, count = own.get("small", small), own.get("count", count)
    usual = "cluster" if factors or cluster is not None else "classical"
    name = usual if cov_type is None else str(cov_type).lower()
    name = ALIASES.get(name, name)
    if name not in TYPES:
        raise ValueError(f"cov_type: expected {', '.join(TYPES[:-1])} or {TYPES[-1]}, got {cov_type!r}")
    if cluster is not None and name != "cluster":
        raise ValueError(f"cluster: expected with cov_type 'cluster' alone, got it with {name!r}")
    if count not in COUNTS:
        raise ValueError(f"count: expected {', '.join(COUNTS[:-1])} or {COUNTS[-1]}, got {count!r}")
    clusters = () if cluster is None else tuple(cluster) if _is_pair(cluster) else (cluster,)
    if len(clusters) > 2:
        raise ValueError(f"cluster: expected at most 2, got {len(clusters)}")
    return Wanted(name, clusters, bool(full), bool(small), count)


def _is_pair(cluster: Any) -> bool:
    """Whether it lists clusterings: names, or vectors of labels."""
    return isinstance(cluster, (list, tuple)) and (
        all(isinstance(one, str) for one in cluster) and len(cluster) <= 2
        or all(hasattr(one, "__len__") and not isinstance(one, str) for one in cluster))


class Inference:
    """The part of results that rests on a covariance."""

    _core: Any
    _vcov: Any
    _origin: Origin
    info: Any

    def _covariance(self) -> Any:
        if self._vcov is None:
            raise ValueError("there is no covariance: bags have none, nor files of models that were saved without one")
        return self._vcov

    @property
    def cov_type(self) -> str:
        """"classical", "hc0", "hc1" or "cluster"."""
        return self.cov_info.type

    @property
    def cov_info(self) -> CovarianceInfo:
        """What the covariance was made of."""
        kind, *rest = self._covariance().describe()
        return CovarianceInfo(TYPES[kind], *rest)

    @property
    def _df(self) -> float:
        """Of t; infinite, the normal distribution, for the logistic loss."""
        return math.inf if self.info.logistic else self.cov_info.df

    @property
    def cov(self) -> Any:
        """The covariance of `params`; NaN where they are not identified."""
        k = len(self._origin.names)
        values = self._covariance().matrix(False, k)
        if not self._origin.is_pandas:
            return values
        import pandas
        return pandas.DataFrame(values, index=self._origin.names, columns=self._origin.names)

    def cov_params(self) -> Any:
        """`cov`, under the name of statsmodels."""
        return self.cov

    def cov_all(self) -> Array:
        """The covariance of all parameters, in the order of the columns of `design`."""
        return self._covariance().matrix(True, self.cov_info.parameters)

    @property
    def unidentified(self) -> list[str]:
        """Directions that the data do not identify, which the covariance leaves out."""
        return self._covariance().unidentified()

    def _se(self) -> Array:
        np = _numpy()
        return np.sqrt(np.diagonal(self._covariance().matrix(False, len(self._origin.names))))

    @property
    def std_errors(self) -> Any:
        """Standard errors of `params`."""
        return self._series(self._se(), "std_error")

    bse = std_errors

    @property
    def tvalues(self) -> Any:
        """params / std_errors."""
        return self._series(self._core.coefficients() / self._se(), "tstat")

    @property
    def pvalues(self) -> Any:
        """Of the two-sided t tests with `cov_info.df` degrees of freedom, or, of the logistic loss, the normal ones; needs
        SciPy."""
        return self._series(p_values(self._core.coefficients() / self._se(), self._df), "pvalue")

    def conf_int(self, level: float = 0.95) -> Any:
        """Confidence intervals of `params`, lower and upper bounds; needs SciPy."""
        np = _numpy()
        theta, reach = self._core.coefficients(), quantile(level, self._df) * self._se()
        bounds = np.column_stack([theta - reach, theta + reach])
        if not self._origin.is_pandas:
            return bounds
        import pandas
        return pandas.DataFrame(bounds, index=self._origin.names, columns=["lower", "upper"])
