"""What networks tell: of a fit, while it runs and afterwards, and of a gradient check."""
from __future__ import annotations

import sys
from typing import Any, Callable, NamedTuple


class FitReport(NamedTuple):
    """What a fit did: the epoch whose parameters were kept, its losses on training and validation rows."""

    optimizer: str
    epochs: int
    best_epoch: int
    loss: float
    validation: float
    converged: bool
    seconds: float
    stopped: bool  # by the progress function


class Progress(NamedTuple):
    """What a progress function is told after each epoch."""

    epoch: int
    epochs: int
    loss: float
    validation: float
    seconds: float


class BlockCheck(NamedTuple):
    """One block of parameters in a gradient check: its worst entry, beside the difference quotient."""

    name: str
    row: int
    col: int
    analytic: float
    numeric: float
    error: float
    bound: float
    ok: bool


class CheckReport(list):
    """A list of `BlockCheck`; `ok` says whether every block agrees."""

    @property
    def ok(self) -> bool:
        return all(block.ok for block in self)

    def __str__(self) -> str:
        rows = [f"{'block':<18}{'error':>10}{'bound':>12}  ok"]
        rows += [f"{b.name:<18}{b.error:>10.3g}{b.bound:>12.3g}  {'yes' if b.ok else 'NO'}" for b in self]
        return "\n".join(rows)


def _bar(progress: Any) -> tuple[Callable | None, Callable]:
    """The function to call after each epoch, and the one that ends it."""
    def nothing() -> None:
        pass

    if callable(progress):
        return lambda *told: progress(Progress(*told)), nothing
    if progress is None:
        progress = hasattr(sys.stderr, "isatty") and sys.stderr.isatty()
    if not progress:
        return None, nothing
    try:
        from tqdm import tqdm
    except ImportError:
        return None, nothing
    bar = tqdm(unit="epoch", leave=False)

    def show(epoch: int, epochs: int, loss: float, validation: float, seconds: float) -> bool:
        bar.total = epochs
        told = {"loss": f"{loss:.4g}"}
        if validation == validation:
            told["validation"] = f"{validation:.4g}"
        bar.set_postfix(told, refresh=False)
        bar.update(epoch - bar.n)
        return False

    return show, bar.close
