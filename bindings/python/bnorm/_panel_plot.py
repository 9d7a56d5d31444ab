"""Profiles of a structured model drawn by matplotlib."""
from __future__ import annotations

from typing import Any, Sequence

from ._layers import _numpy

Array = Any


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("plots need matplotlib: install it (pip install matplotlib; on Debian python3-matplotlib)"
                          ) from None
    return pyplot


def _axes(count: int, ax: Any) -> tuple[Any, list]:
    """The figure, and axes for so many variables."""
    np = _numpy()
    if ax is not None:
        axes = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(axes) != count:
            raise ValueError(f"ax: expected {count} axes, one a variable, got {len(axes)}")
        return axes[0].figure, axes
    wide = min(count, 3)
    tall = -(-count // wide)
    figure, grid = _pyplot().subplots(tall, wide, figsize=(4 * wide, 3 * tall), squeeze=False, constrained_layout=True)
    axes = list(grid.ravel())
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def plot(result: Any, variables: Sequence[str] | str | None, level: float, points: int, ax: Any) -> Any:
    """See `PanelResults.plot`."""
    _pyplot()
    names = result.variables if variables is None else [variables] if isinstance(variables, str) else list(variables)
    if not names:
        raise ValueError("variables: expected at least one")
    figure, axes = _axes(len(names), ax)
    for name, axis in zip(names, axes):
        profile = result.profile(name, level=level, points=points)
        at, effect = _numpy().asarray(profile.at), _numpy().asarray(profile.effect)
        if profile.lower is not None:
            axis.fill_between(at, _numpy().asarray(profile.lower), _numpy().asarray(profile.upper), alpha=0.25,
                              linewidth=0, label=f"{level:.0%} band")
        axis.plot(at, effect)
        axis.set_xlabel(name)
        axis.set_ylabel(f"effect on {result.target}")
    return figure
