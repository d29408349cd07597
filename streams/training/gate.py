"""The promotion gate: may a challenger serve in place of the champion? Only on rows that neither has learned.

A round's judging rows are few, so evidence is gathered over rounds, as long as the champion is the same: each row is
predicted by the champion, which stands still, and by the model in training before it learns the row, so neither has
seen it, though the champion's successors learn it afterwards. The model in training is the challenger of a few steps
ago; the challenger itself predicts the newest slice alone. It is refused when either is surely worse: the newest slice
shows sudden damage (95 %), the window what is too small for one round (90 %: to wait a round costs little, to serve a
worse model does). Noise alone refuses rarely: equal is good enough, as the challenger has learned newer rows.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from models.tasks import CLICK_TASK
from streams.training.comparison import MIN_EACH_KIND, compare
from streams.training.evidence import Evidence
from streams.training.score_drift import ScoreDrift
from streams.training.verdicts import Comparison, ListVerdict, TaskVerdict, plain

__all__ = ["WINDOW_ROUNDS", "GateReport", "judge"]

# Evidence older than this says little of what the model in training has become.
WINDOW_ROUNDS = 4
NEWEST_ERRORS, WINDOW_ERRORS = 1.6449, 1.2816
# Click predictions moved further than this need to be better ones (models.md 5.7).
MAX_PSI = 0.2


@dataclass(frozen=True, slots=True)
class GateReport:
    """What was decided and why. `tasks`, `lists`: over the window; `newest`: tasks on the judging rows alone."""

    is_promoted: bool
    reason: str
    tasks: dict[str, TaskVerdict] = field(default_factory=dict)
    lists: dict[str, ListVerdict] = field(default_factory=dict)
    newest: dict[str, TaskVerdict] = field(default_factory=dict)
    drift: ScoreDrift | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the manifest and the status; what is not finite is null."""
        facts: dict[str, Any] = plain(asdict(self))
        return facts


def judge(
    newest: Evidence,
    earlier: Evidence,
    rng: np.random.Generator,
    *,
    drift: ScoreDrift | None = None,
    to_beat: str = "",
) -> GateReport:
    """Decide. `newest`: the challenger's judging rows; `earlier`: the model in training on rows before them.

    `drift`: of click predictions for the judging rows. `to_beat`: why the champion must be surely beaten (it was
    restored), or "". The same input and `rng` decide alike.
    """
    now = compare(newest, rng, NEWEST_ERRORS, judges_pcoc=False)
    window = compare(Evidence.joined([earlier, newest]), rng, WINDOW_ERRORS)
    problems = _too_little(now) or [*window.problems(), *now.problems(without=window.worse())]
    if not problems:
        problems = [*_drifted(drift, window), *_not_beaten(to_beat, window)]
    return GateReport(
        is_promoted=not problems,
        reason="; ".join(problems) or "no task is worse beyond noise",
        tasks=window.tasks,
        lists=window.lists,
        newest=now.tasks,
        drift=drift,
    )


def _too_little(now: Comparison) -> list[str]:
    click = now.tasks.get(CLICK_TASK)
    if click is not None and click.is_judged:
        return []
    positives, rows = (click.positives, click.rows) if click else (0, 0)
    return [f"click: {positives} clicks among {rows} judging rows; {MIN_EACH_KIND} of either kind are needed"]


def _drifted(drift: ScoreDrift | None, window: Comparison) -> list[str]:
    if drift is None or drift.psi is None or drift.psi <= MAX_PSI or window.tasks[CLICK_TASK].surely_below < 0:
        return []
    click = window.tasks[CLICK_TASK]
    moved = f"click predictions moved by {drift.psi:.2f} (stability index; at most {MAX_PSI}) on {drift.rows} rows"
    better = f"{-click.change:.4f} normalised entropy on {click.rows} rows"
    return [f"{moved}, and click is not surely better ({better})"]


def _not_beaten(to_beat: str, window: Comparison) -> list[str]:
    click = window.tasks[CLICK_TASK]
    if not to_beat or click.surely_below < 0:
        return []
    found = f"click is not surely better ({click.change:+.4f} normalised entropy on {click.rows} rows)"
    return [f"{found}; the champion was restored ({to_beat}) and must be beaten"]
