"""The results of structured models: coefficients and what they rest on, effects, margins, predictions."""
from __future__ import annotations

import os
import tempfile
from typing import Any, Mapping, Sequence

from . import _core
from ._layers import _numpy, _unmasked
from ._panel_covariance import COUNTS, TYPES, Inference, Wanted, covariance_options
from ._panel_reports import Described, Margins, Origin, PanelInfo, PanelReport, Prediction, Profile, Summary, quantile
from ._reports import BlockCheck, CheckReport
from ._table import Table, column

Array = Any
NEW_LEVELS = ("error", "nan", "zero")  # bnorm_new_level


class PanelResults(Described, Inference):
    """A fitted structured model: made by `PanelNet.fit` or `PanelNet.load`.

    Vectors and tables are pandas objects where the data were a DataFrame; otherwise they are NumPy arrays, in the order
    of `names`. info: a `PanelInfo`; report: a `PanelReport` of the fit, or None.
    """

    def __init__(self) -> None:
        raise TypeError("PanelResults come from PanelNet.fit and PanelNet.load")

    @classmethod
    def _of(cls, core: Any, origin: Origin, report: PanelReport | None, vcov: Any = None,
            wanted: Wanted | None = None) -> PanelResults:
        self = cls.__new__(cls)
        self._core, self._origin, self._vcov, self._wanted = core, origin, vcov, wanted
        self._kept: dict[str, Any] = {}  # residuals once they are asked for
        self.report = report
        self.info = PanelInfo(**core.describe())
        return self

    def _with(self, wanted: Wanted, threads: int | None) -> PanelResults:
        columns, options = self._cluster_columns(wanted)
        options.update(type=TYPES.index(wanted.type), full=wanted.full, small=wanted.small,
                       count=COUNTS.index(wanted.count))
        rows = self._origin.table.rows if self._origin.table else 0
        vcov = self._core.vcov(options, columns, rows, threads)
        made = PanelResults._of(self._core, self._origin, self.report, vcov, wanted)
        made._kept = self._kept
        return made

    def _cluster_columns(self, wanted: Wanted) -> tuple[list | None, dict]:
        """Columns of clusters that are no factors of the model, and the names of all."""
        columns: list[tuple[str, Any]] = []
        options: dict[str, Any] = {}
        table = self._origin.table
        for key, cluster in zip(("cluster", "cluster2"), wanted.clusters):
            name = cluster if isinstance(cluster, str) else f"({key})"
            options[key] = name
            if not isinstance(cluster, str):
                values = column(cluster, "cluster")
                if table is not None and len(cluster) != table.rows:
                    raise ValueError(f"cluster: expected {table.rows} values, one a row of the table, got {len(cluster)}")
                columns.append((name, values))
            elif name not in self._origin.factors:
                if table is None or name not in table.columns:
                    raise ValueError(f"cluster: expected a column of the table or a factor of the model, got {name!r}")
                if not any(known == name for known, _ in columns):
                    columns.append((name, column(table.columns[name], name)))
        return columns or None, options

    def with_cov(self, cov_type: str | None = None, *, cluster: Any = None, full: bool = False, small: bool = True,
                 count: str = "nested", cov_kwds: Mapping[str, Any] | None = None,
                 threads: int | None = None) -> PanelResults:
        """The same fit with another covariance; the arguments are those of `PanelNet.fit`."""
        wanted = covariance_options(cov_type, cluster, full, small, count, cov_kwds, self._origin.factors)
        return self._with(wanted, threads)

    # -------------------------------------------------------------------------- what was fitted

    @property
    def params(self) -> Any:
        """theta: the coefficients of the linear terms."""
        return self._series(self._core.coefficients(), "parameter")

    @property
    def members(self) -> Any:
        """The coefficients of each member of a bag, one a row; their spread is a bootstrap standard error."""
        values = self._core.members().reshape(-1, max(len(self._origin.names), 1))[:, :len(self._origin.names)]
        if not self._origin.is_pandas:
            return values
        import pandas
        return pandas.DataFrame(values, columns=self._origin.names)

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the networks' parameters: "nn1.G1", ..., "nn1.top" (G2, in the unit of the target); those of the
        second of several bags are "nn1#2.G1", ..."""
        count = len(self._origin.networks)
        return {f"nn{k % count + 1}{f'#{k // count + 1}' if k >= count else ''}.{name}": values.reshape(rows, cols)
                for k, name, rows, cols, values in self._core.blocks()}

    @property
    def effects(self) -> dict[str, Any]:
        """The fixed effects of each factor by level: of the first in the target's unit, of later ones 0 at the first
        level of each connected part."""
        made = {}
        for k, factor in enumerate(self._origin.factors):
            levels, values = self._core.effects(k)
            if self._origin.is_pandas:
                import pandas
                made[factor] = pandas.Series(values, index=pandas.Index(self._levels(factor, levels), name=factor),
                                             name="effect")
            else:
                made[factor] = dict(zip(levels, values.tolist()))
        return made

    def _levels(self, factor: str, levels: list[str]) -> list:
        """Levels as the table has them: numbers where its column is one of numbers."""
        values = self._origin.table.columns.get(factor) if self._origin.table else None
        if getattr(getattr(values, "dtype", None), "kind", "O") not in "fiu":
            return levels
        numbers = [float(level) for level in levels]
        return [int(number) for number in numbers] if all(number.is_integer() for number in numbers) else numbers

    def _series(self, values: Array, name: str) -> Any:
        if not self._origin.is_pandas:
            return values
        import pandas
        return pandas.Series(values, index=self._origin.names, name=name)

    # ---------------------------------------------------------------------------------- of rows

    def _of_rows(self, key: str) -> Any:
        if key not in self._kept:
            self._kept["fitted"], self._kept["residuals"] = self._core.residuals()
        values = self._kept[key].copy()
        return self._origin.table.series(values, self._origin.rows, key) if self._origin.is_pandas else values

    @property
    def resid(self) -> Any:
        """Residuals of the rows used, in the unit of the target."""
        return self._of_rows("residuals")

    @property
    def fitted_values(self) -> Any:
        """Fitted values of the rows used, with their fixed effects."""
        return self._of_rows("fitted")

    fittedvalues = fitted_values
    resids = resid

    @property
    def rows(self) -> Array:
        """Numbers, from 0, of the rows of the table that were used."""
        if self._origin.rows is None:
            raise ValueError("results of a file have no rows")
        return self._origin.rows.copy()

    @property
    def nobs(self) -> int:
        """The rows used."""
        return self.info.rows

    @property
    def df_resid(self) -> float:
        """n less the fixed effects, linear terms and columns of the top layer."""
        return self.info.df

    @property
    def rsquared(self) -> float:
        """1 - sse/tss, fixed effects included."""
        return self.info.r2

    @property
    def rsquared_within(self) -> float:
        """1 - sse over the variation that the fixed effects leave."""
        return self.info.r2_within

    @property
    def rmse(self) -> float:
        """sqrt(sse/n)."""
        return self.info.rmse

    @property
    def sigma(self) -> float:
        """sqrt(sse/df_resid)."""
        return self.info.sigma

    # --------------------------------------------------------------------- margins and profiles

    def margins(self, *, threads: int | None = None) -> Any:
        """Average marginal effects, (1/n) sum w dyhat/dx, of each of `variables` in its own unit, linear terms and
        networks together: a DataFrame with estimate and se, or `Margins`."""
        estimate, se = self._core.margins(self._vcov, threads)
        if not self._origin.is_pandas:
            return Margins(self.variables, estimate, se)
        import pandas
        return pandas.DataFrame({"estimate": estimate, "se": se if se is not None else float("nan")},
                                index=self._origin.variables)

    def profile(self, variable: str | int, at: Array = None, *, level: float = 0.95, points: int = 50,
                threads: int | None = None) -> Any:
        """The effect of a variable: the mean over the rows of what is not fixed when it is set to each value of `at`,
        less its sample mean, with bands by the delta method.

        at: by default `points` values between the 1 % and 99 % quantiles. A DataFrame, or `Profile`; bounds are None
        without SciPy.
        """
        np = _numpy()
        k = self._variable(variable)
        at = self._grid(k, points) if at is None else np.ascontiguousarray(_unmasked(at, "at"), dtype=np.float64)
        effect, se = self._core.profile(self._vcov, k, at, threads)
        try:
            bounds = self._bounds(effect, se, level)
        except ImportError:
            bounds = None, None
        made = Profile(at, effect, se, *bounds)
        if not self._origin.is_pandas:
            return made
        import pandas
        return pandas.DataFrame(made._asdict())

    def _variable(self, variable: str | int) -> int:
        names = self._origin.variables
        if isinstance(variable, str) and variable in names:
            return names.index(variable)
        if hasattr(variable, "__index__") and 0 <= variable < len(names):
            return int(variable)
        raise ValueError(f"variable: expected one of {', '.join(names)}, got {variable!r}")

    def _grid(self, k: int, points: int) -> Array:
        """Points between the 1 % and 99 % quantiles of a variable; of one with two values these."""
        np = _numpy()
        values = self._core.values(k)
        few = np.unique(values)
        if len(few) <= 2:
            return few
        low, high = np.quantile(values, [0.01, 0.99])
        return np.linspace(low, high, points)

    def _bounds(self, middle: Array, se: Array, level: float) -> tuple[Array, Array]:
        """None where there is no covariance."""
        if se is None:
            return None, None
        reach = quantile(level, self._df) * se
        return middle - reach, middle + reach

    # ------------------------------------------------------------------------------- prediction

    def predict(self, data: Any = None, *, new: str = "error", se: bool = False, interval: float | None = None,
                threads: int | None = None) -> Any:
        """Predictions, in the unit of the formula's target, for the rows of any table; NaN for rows with missing
        values. Without data, the fitted values.

        new: what becomes of a level of a fixed effect that was unseen in training: "error", "nan", or "zero": it is
        without effect, which is the mean effect. se: also the standard errors of the mean response, (mean, se).
        interval: a level such as 0.95: a `Prediction` with bounds (needs SciPy). With a DataFrame the answers are a
        Series, or a DataFrame.
        """
        if new not in NEW_LEVELS:
            raise ValueError(f"new: expected {', '.join(NEW_LEVELS[:-1])} or {NEW_LEVELS[-1]}, got {new!r}")
        if data is None:
            if se or interval is not None:
                raise ValueError("data: expected a table: standard errors are of predictions for its rows")
            return self.fitted_values
        if interval is not None:
            quantile(interval, 1.0)
        table = Table(data)
        vcov = self._covariance() if se or interval is not None else None
        mean, error = self._core.predict(vcov, table.select([self.formula]), table.rows, NEW_LEVELS.index(new), threads)
        if vcov is None:
            return table.series(mean, None, self.target)
        made = {"mean": mean, "se": error}
        if interval is not None:
            made["lower"], made["upper"] = self._bounds(mean, error, interval)
        if table.index is not None:
            import pandas
            return pandas.DataFrame(made, index=table.index)
        return Prediction(**made) if interval is not None else (mean, error)

    # --------------------------------------------------------------------------------- checking

    def check_gradient(self, *, entries: int = 0, seed: int = 1, threads: int | None = None) -> CheckReport:
        """The gradient of the reduced loss at the solution beside central differences, block by block: at most `entries`
        of each, 0 for all. The target is moved at random first, since gradients vanish at a minimum."""
        return CheckReport(BlockCheck(*block) for block in self._core.check(seed, entries, threads))

    def design(self, full: bool = False, *, threads: int | None = None) -> Array:
        """Q[P, V] (rows x (linear + top)), or the Jacobian of Q yhat in all parameters."""
        return self._core.design(full, threads)

    # ----------------------------------------------------------------------------- text and plot

    def summary(self, level: float = 0.95, margins: bool | None = None) -> Summary:
        """A table of the coefficients and of what they rest on; margins: also the average marginal effects, None for
        where there are networks. p-values and bounds appear where SciPy is installed."""
        from ._panel_text import summary
        return summary(self, level, bool(self._origin.networks) if margins is None else margins)

    def plot(self, variables: Sequence[str] | str | None = None, *, level: float = 0.95, points: int = 50,
             ax: Any = None) -> Any:
        """Profiles of some variables (all), with bands, in a figure of matplotlib, which is returned; ax: axes to draw
        one variable into, or as many as there are variables."""
        from ._panel_plot import plot
        return plot(self, variables, level, points, ax)

    def __repr__(self) -> str:
        return f"PanelResults({self.formula!r}: {self.info.rows} rows, {len(self.names)} linear terms)"

    # ------------------------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike) -> None:
        """Writes the file (safetensors) that the command and the R package read too."""
        self._core.save(path, self._vcov)

    @classmethod
    def load(cls, path: str | os.PathLike) -> PanelResults:
        """Reads the file of a fitted model: it predicts and tells, but has no rows."""
        core, vcov = _core.panel_load(path)
        return cls._of(core, Origin.of(core, None), None, vcov)

    def __getstate__(self) -> dict:
        """The file, and the residuals once they were asked for; the table stays behind."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            self.save(path)
            with open(path, "rb") as file:
                model = file.read()
        return {"model": model, "report": self.report, "kept": self._kept}

    def __setstate__(self, state: dict) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            with open(path, "wb") as file:
                file.write(state["model"])
            self.__dict__.update(PanelResults.load(path).__dict__)
        self.report, self._kept = state["report"], state["kept"]
