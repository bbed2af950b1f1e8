"""From a click log to the attention file: the curve of all rows, and one for each context."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ranker.attention.attention_file import AttentionFile
from ranker.attention.cascade import fit_cascade
from ranker.attention.click_log import to_sessions
from ranker.attention.counts import aggregate
from ranker.attention.curve import non_increasing
from ranker.attention.dbn import fit_dbn
from ranker.attention.harvest import harvest
from ranker.attention.identification import NotIdentifiedError
from ranker.attention.method import Method
from ranker.attention.position_based import FitSettings, position_based_curve
from ranker.attention.randomised import randomised_bucket
from ranker.attention.session_curve import session_curve
from ranker.attention.simplified_dbn import fit_simplified_dbn
from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ranker.attention.click_log import ClickLog, Ints
    from ranker.attention.curve import Curve

    Progress = Callable[[int, int, str], None]


_OF_SESSIONS = {
    Method.CASCADE: fit_cascade,
    Method.SDBN: fit_simplified_dbn,
    Method.DBN: fit_dbn,
}
_FORM_NOTE = (
    "This method reads attention off the order of clicks, not off items seen at several positions: the curve "
    "rests on the model's form and is that of the logged slates."
)
_WIDE = 1.5  # interval ends further apart than this factor are worth a note


@dataclass(frozen=True, slots=True)
class AttentionOptions:
    """What to estimate, and how surely."""

    method: Method = Method.HARVEST
    level: float = 0.95  # of the intervals
    isotonic: bool = True  # project on non-increasing curves, which is what slates take
    settings: FitSettings = field(default_factory=FitSettings)  # of the position-based model
    num_resamples: int = 100  # of the bootstrap over sessions
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in tuple(Method):
            raise InvalidInputError("options.method", self.method, f"must be one of {', '.join(Method)}")
        object.__setattr__(self, "method", Method(self.method))
        if not 0 < self.level < 1:
            raise InvalidInputError("options.level", self.level, "must lie between 0 and 1")
        if self.num_resamples < 20:
            raise InvalidInputError("options.num_resamples", self.num_resamples, "must be at least 20")


def fit_attention(
    log: ClickLog, options: AttentionOptions, progress: Progress = lambda _done, _total, _text: None
) -> AttentionFile:
    """Returns the curve of the whole log and of each context that the log identifies.

    An item has an attractiveness for each context and version, also in the curve of the whole log. Raises
    NotIdentifiedError where the whole log does not compare all positions; contexts that do not are listed
    with the reason.
    """
    if options.method is Method.RANDOMISED:
        log = _randomised_rows(log)
    progress(0, 1, "all rows")
    curve = _curve(_strata(log), options, progress)
    contexts: dict[str, Curve] = {}
    refused: dict[str, str] = {}
    for name, part in _parts(log):
        progress(0, 1, name)
        try:
            contexts[name] = _curve(_strata(part), options, progress)
        except NotIdentifiedError as error:
            refused[name] = str(error)
    return AttentionFile(
        method=options.method.value,
        interval=_interval_method(options),
        level=options.level,
        num_sessions=len(np.unique(log.session)),
        curve=curve,
        contexts=contexts,
        not_identified=refused,
        notes=_notes(options, {"": curve} | contexts),
        context_fields=log.context_fields,
    )


def _curve(log: ClickLog, options: AttentionOptions, progress: Progress) -> Curve:
    if options.method in _OF_SESSIONS:
        curve = session_curve(
            _OF_SESSIONS[options.method],
            to_sessions(log),
            np.random.default_rng(options.seed),
            resampling=(options.level, options.num_resamples),
            progress=lambda done, total: progress(done, total, "resampling sessions"),
        )
    else:
        counts = aggregate(log)
        match options.method:
            case Method.PBM:
                curve = position_based_curve(counts, options.settings, level=options.level)
            case Method.RANDOMISED:
                curve = randomised_bucket(counts, level=options.level)
            case _:
                span = 1 if options.method is Method.CHAIN else None
                curve = harvest(counts, span=span, level=options.level)
    return non_increasing(curve) if options.isotonic else curve


def _parts(log: ClickLog) -> Iterator[tuple[str, ClickLog]]:
    """Yields each context that has rows, with its rows."""
    if log.context is not None:
        for code, name in enumerate(log.context_names):
            kept = log.context == code
            if kept.any():
                yield name, log.rows(kept)


def _strata(log: ClickLog) -> ClickLog:
    """Returns the log with an item code for each (item, context, version).

    A ranker that learns moves an item up because it was clicked: its clicks before and after the move are
    not comparable. Within a version placements do not follow from the version's own clicks.
    """
    item = _dense(log.item)
    for column in (log.context, log.version):
        if column is not None:
            codes = _dense(column)
            _, item = np.unique(item * (int(codes.max()) + 1) + codes, return_inverse=True)
    return replace(log, item=item)


def _dense(codes: Ints) -> Ints:
    """Returns codes below the number of rows: counts by item are kept for every code up to the largest."""
    return np.unique(codes, return_inverse=True)[1] if int(codes.max()) >= len(codes) else codes


def _randomised_rows(log: ClickLog) -> ClickLog:
    if log.randomised is None or not log.randomised.any():
        raise InvalidInputError(
            "log.randomised",
            None,
            "method 'randomised' needs a column that is true where slates were shuffled",
        )
    return log.rows(log.randomised)


def _interval_method(options: AttentionOptions) -> str:
    return "bootstrap over sessions" if options.method in _OF_SESSIONS else "delta method"


def _notes(options: AttentionOptions, curves: dict[str, Curve]) -> tuple[str, ...]:
    notes = [_FORM_NOTE] if options.method in _OF_SESSIONS else []
    for name, curve in curves.items():
        where = f"{name}: " if name else ""
        if not curve.converged:
            notes.append(f"{where}the fit ran out of steps.")
        wide = [j for j in range(len(curve.low)) if curve.high[j] > _WIDE * curve.low[j]]
        if wide:
            listed = ", ".join(str(j) for j in wide)
            notes.append(
                f"{where}too few clicks for a sharp answer at positions {listed}: see the intervals."
            )
    return tuple(notes)
