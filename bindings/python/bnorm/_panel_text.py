"""The summary of a structured model as a text."""
from __future__ import annotations

from typing import Any

from ._layers import _numpy
from ._panel_reports import Summary, p_values, quantile

Array = Any
KINDS = {"classical": "classical (homoskedastic)", "hc0": "HC0 (heteroskedastic)", "hc1": "HC1 (heteroskedastic)"}


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _about_rows(info: Any) -> str:
    left = [f"{number} {why}" for number, why in ((info.missing, "with missing values"), (info.weightless, "of weight 0"),
                                                  (info.singletons, "alone in a level")) if number]
    used = _count(info.rows, "row")
    return f"{used} of {info.table_rows} (left out: {', '.join(left)})" if left else used


def _about_panel(info: Any) -> str:
    parts = [_count(count, name) for count, name in ((info.units, "unit"), (info.periods, "period")) if count]
    if info.duplicates:
        parts.append(f"{_count(info.duplicates, 'unit-period')} seen again")
    if info.gaps and info.periods:
        parts.append(f"{_count(info.gaps, 'unit-period')} absent")
    return ", ".join(parts)


def _about_networks(result: Any) -> str:
    info = result.info
    if not info.networks:
        return ""
    return f"{', '.join(result._origin.networks)}: {_count(info.top, 'column')} on {_count(info.hidden, 'parameter')}"


def _about_fit(result: Any) -> str:
    report = result.report
    if report is None or not result._origin.networks:
        return ""
    told = f"{report.optimizer}, {_count(report.epochs, 'epoch')}"
    if report.converged:
        told += ", converged"
    if report.starts > 1:
        told += f", best of {report.starts} starts ({report.best:.5g} to {report.worst:.5g})"
    return told


def _about_covariance(result: Any) -> str:
    about = result.cov_info
    if about.type == "cluster":
        told = "clustered by " + " and ".join(f"{name} ({count} clusters)" for name, count in about.clusters.items())
    else:
        told = KINDS[about.type]
    told += f", {'full Jacobian' if about.full else 'top layer'}"
    return told if result.info.logistic else f"{told}, t with {about.df:g} degrees of freedom"


def _header(result: Any) -> list[str]:
    info, origin = result.info, result._origin
    facts = [("rows", _about_rows(info)), ("panel", _about_panel(info)),
             ("fixed effects", ", ".join(origin.factors) + f": {info.absorbed} parameters" if origin.factors else ""),
             ("networks", _about_networks(result)), ("fit", _about_fit(result))]
    if info.logistic:
        facts.append(("loss", "logistic"))
    else:
        facts.append(("R2", f"{info.r2:.6g}" + (f", within {info.r2_within:.6g}" if origin.factors else "")))
        facts.append(("residuals", f"standard deviation {info.sigma:.6g} with {info.df:g} degrees of freedom"))
    if result._vcov is not None:
        facts.append(("covariance", _about_covariance(result)))
    return [result.formula, *(f"{name:<14}{text}" for name, text in facts if text)]


def _cells(estimate: Array, se: Array, df: float, level: float, letter: str) -> tuple[list[str], list[Array]]:
    """Titles and columns; p and bounds where SciPy is there. letter: t or z, the statistic."""
    np = _numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        t = estimate / se
    titles, columns = ["estimate", "std. error", letter], [estimate, se, t]
    try:
        reach = quantile(level, df) * se
        tail = f"{(1 - level) / 2:.3g}", f"{(1 + level) / 2:.3g}"
        return [*titles, "p", f"[{tail[0]}", f"{tail[1]}]"], [*columns, p_values(t, df), estimate - reach,
                                                              estimate + reach]
    except ImportError:
        return titles, columns


def _number(value: float, title: str) -> str:
    if value != value:
        return "-"
    if title in ("t", "z"):
        return f"{value:.3f}"
    if title == "p":
        return f"{value:.4f}" if value >= 5e-5 else "<0.0001"
    return f"{value:.6g}"


def _table(names: list[str], titles: list[str], columns: list[Array]) -> list[str]:
    wide = max([len(name) for name in names] + [12])
    lines = [" " * wide + "".join(f"{title:>13}" for title in titles)]
    for k, name in enumerate(names):
        cells = "".join(f"{_number(float(c[k]), title):>13}" for title, c in zip(titles, columns))
        lines.append(f"{name:<{wide}}{cells}")
    return lines


def summary(result: Any, level: float, margins: bool) -> Summary:
    """See `PanelResults.summary`."""
    np = _numpy()
    lines = _header(result)
    nothing = np.full(len(result.names), np.nan)
    df = result._df if result._vcov is not None else float("inf")
    letter = "z" if result.info.logistic else "t"
    se = result._se() if result._vcov is not None else nothing
    if result.names:
        lines += ["", *_table(result.names, *_cells(np.asarray(result.params), se, df, level, letter))]
    if margins and result.variables and result._origin.rows is not None:
        estimate, error = result._core.margins(result._vcov, None)
        error = np.full(len(estimate), np.nan) if error is None else error
        lines += ["", "average marginal effects", *_table(result.variables, *_cells(estimate, error, df, level, letter))]
    if result.dropped:
        lines += ["", "left out:", *(f"  {name}: {why}" for name, why in result.dropped.items())]
    if result._vcov is not None and result.unidentified:
        lines += ["", "not identified:", *(f"  {line}" for line in result.unidentified)]
    return Summary("\n".join(line.rstrip() for line in lines))
