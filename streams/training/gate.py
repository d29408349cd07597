"""The promotion gate: may a challenger serve in place of the champion?

Both predict the same rows, which neither has learned from. The challenger is refused when a task is worse beyond noise:
the 5 % quantile of a paired bootstrap over users of the difference in normalised entropy is above the tolerance
(models.md 5.7). Noise alone never refuses: equal is good enough, as the challenger has learned newer rows. A task with
too few positives decides nothing, but without enough clicks nothing is promoted.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GateReport", "JudgedRows", "ListPairs", "ListVerdict", "TaskVerdict", "judge"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
NUM_RESAMPLES = 400
# Worse by a tenth of a percent of normalised entropy is worse; lists by .002 (models.md 5.7).
NE_TOLERANCE = 0.001
LIST_TOLERANCE = 0.002
# Mean prediction over mean label outside of this, and further from 1 than the champion's, is a broken calibration;
# it is judged only when so many positives make the ratio itself steady.
PCOC_RANGE, PCOC_POSITIVES = (0.8, 1.25), 100
# A task is judged from so many rows of either kind on: below, its base rate is a guess.
MIN_EACH_KIND = 5
QUANTILE = 0.05
CLIP = 1e-7


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Labels and predictions of one task on the judging rows. `user_N`: index of each row's user.

    `is_binary`: probabilities against 0 or 1; otherwise log seconds against log seconds.
    """

    y_N: Float64
    champion_N: Float64
    challenger_N: Float64
    user_N: Int64
    is_binary: bool = True


@dataclass(frozen=True, slots=True)
class ListPairs:
    """A figure of each judged list under both models; NaN where the list does not define it."""

    user_L: Int64
    champion_L: Float64
    challenger_L: Float64


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """One task. `change` is challenger less champion in normalised entropy; `surely_above` its 5 % quantile.

    For dwell, squared error of log seconds over their variance stands for normalised entropy.
    """

    rows: int
    positives: int
    champion: float
    challenger: float
    change: float
    surely_above: float
    pcoc: float
    is_judged: bool
    is_worse: bool


@dataclass(frozen=True, slots=True)
class ListVerdict:
    """One figure of lists. `change`: mean difference; `surely_below`: its 95 % quantile."""

    lists: int
    champion: float
    challenger: float
    change: float
    surely_below: float
    is_worse: bool


@dataclass(frozen=True, slots=True)
class GateReport:
    """What was decided and why."""

    is_promoted: bool
    reason: str
    tasks: dict[str, TaskVerdict] = field(default_factory=dict)
    lists: dict[str, ListVerdict] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the manifest and the status."""
        return asdict(self)


def judge(rows: Mapping[str, JudgedRows], lists: Mapping[str, ListPairs], rng: np.random.Generator) -> GateReport:
    """Decide. `rows` by task, with `click` among them; `lists` by figure. The same input and `rng` decide alike."""
    for task, judged in rows.items():
        if not np.isfinite(judged.challenger_N).all():
            return GateReport(is_promoted=False, reason=f"{task}: the challenger predicts values that are not finite")
    verdicts = {task: _verdict(judged, rng) for task, judged in rows.items() if len(judged.y_N)}
    list_verdicts = {name: verdict for name, pairs in lists.items() if (verdict := _list_verdict(pairs, rng))}
    problems = _problems(verdicts, list_verdicts)
    reason = "; ".join(problems) or "no task is worse beyond noise"
    return GateReport(is_promoted=not problems, reason=reason, tasks=verdicts, lists=list_verdicts)


def _problems(tasks: Mapping[str, TaskVerdict], lists: Mapping[str, ListVerdict]) -> list[str]:
    click = tasks.get("click")
    if click is None or not click.is_judged:
        positives, rows = (click.positives, click.rows) if click else (0, 0)
        return [f"click: {positives} clicks among {rows} judging rows; {MIN_EACH_KIND} of either kind are needed"]
    problems = []
    for name, task in tasks.items():
        if task.is_worse and task.surely_above > NE_TOLERANCE:
            problems.append(f"{name} is worse by {task.change:.4f} normalised entropy on {task.rows} rows")
        elif task.is_worse:
            problems.append(f"{name} predicts {task.pcoc:.2f} times what happens on {task.rows} rows")
    problems += [f"{name} is worse by {-v.change:.4f} on {v.lists} lists" for name, v in lists.items() if v.is_worse]
    return problems


def _verdict(judged: JudgedRows, rng: np.random.Generator) -> TaskVerdict:
    champion, challenger, norm = _losses(judged)
    change, samples = _bootstrap(challenger - champion, norm, judged.user_N, rng)
    surely_above = float(np.quantile(samples, QUANTILE))
    pcoc = _pcoc(judged.y_N, judged.challenger_N) if judged.is_binary else 1.0
    rows, positives = len(judged.y_N), int((judged.y_N > 0).sum())
    is_judged = min(positives, rows - positives if judged.is_binary else positives) >= MIN_EACH_KIND
    return TaskVerdict(
        rows=rows,
        positives=positives,
        champion=float(champion.sum() / norm.sum()),
        challenger=float(challenger.sum() / norm.sum()),
        change=change,
        surely_above=surely_above,
        pcoc=pcoc,
        is_judged=is_judged,
        is_worse=is_judged and (surely_above > NE_TOLERANCE or _is_uncalibrated(judged, pcoc)),
    )


def _is_uncalibrated(judged: JudgedRows, pcoc: float) -> bool:
    if not judged.is_binary or judged.y_N.sum() < PCOC_POSITIVES or PCOC_RANGE[0] <= pcoc <= PCOC_RANGE[1]:
        return False
    before = _pcoc(judged.y_N, judged.champion_N)
    return abs(math.log(max(pcoc, CLIP))) > abs(math.log(max(before, CLIP)))


def _pcoc(y_N: Float64, p_N: Float64) -> float:
    return float((p_N.sum() + CLIP) / (y_N.sum() + CLIP)) if y_N.sum() else 1.0


def _losses(judged: JudgedRows) -> tuple[Float64, Float64, Float64]:
    """Loss per row of champion and challenger, and what one row of knowing only the base rate would lose."""
    y_N = judged.y_N
    if not judged.is_binary:
        spread = max(float(np.var(y_N)), CLIP)
        return (judged.champion_N - y_N) ** 2, (judged.challenger_N - y_N) ** 2, np.full(len(y_N), spread)
    rate = min(max(float(y_N.mean()), 0.5 / len(y_N)), 1 - 0.5 / len(y_N))
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    return _log_loss(y_N, judged.champion_N), _log_loss(y_N, judged.challenger_N), np.full(len(y_N), entropy)


def _log_loss(y_N: Float64, p_N: Float64) -> Float64:
    p_N = np.clip(p_N, CLIP, 1 - CLIP)
    loss: Float64 = -(y_N * np.log(p_N) + (1 - y_N) * np.log(1 - p_N))
    return loss


def _bootstrap(
    difference_N: Float64, norm_N: Float64, user_N: Int64, rng: np.random.Generator
) -> tuple[float, Float64]:
    """The ratio of sums, and its values when users are drawn with replacement: float64[NUM_RESAMPLES]."""
    _, place = np.unique(user_N, return_inverse=True)
    num = int(place.max()) + 1
    difference_U, norm_U = np.bincount(place, difference_N, num), np.bincount(place, norm_N, num)
    draws = rng.multinomial(num, np.full(num, 1 / num), NUM_RESAMPLES).astype(np.float64)
    samples: Float64 = (draws @ difference_U) / np.maximum(draws @ norm_U, CLIP)
    return float(difference_U.sum() / max(norm_U.sum(), CLIP)), samples


def _list_verdict(pairs: ListPairs, rng: np.random.Generator) -> ListVerdict | None:
    """None when no list defines the figure."""
    is_defined = np.isfinite(pairs.champion_L) & np.isfinite(pairs.challenger_L)
    if not is_defined.any():
        return None
    before, after = pairs.champion_L[is_defined], pairs.challenger_L[is_defined]
    change, samples = _bootstrap(after - before, np.ones(len(before)), pairs.user_L[is_defined], rng)
    surely_below = float(np.quantile(samples, 1 - QUANTILE))
    return ListVerdict(
        lists=len(before),
        champion=float(before.mean()),
        challenger=float(after.mean()),
        change=change,
        surely_below=surely_below,
        is_worse=surely_below < -LIST_TOLERANCE,
    )
