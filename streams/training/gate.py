"""The promotion gate: may a challenger serve in place of the champion?

Both predict the same rows, which neither has learned from. The challenger is refused when a task is worse beyond noise:
the 5 % quantile of a paired bootstrap over users of the difference in normalised entropy is above the tolerance
(models.md 5.7). Noise alone never refuses: equal is good enough, as the challenger has learned newer rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GateReport", "JudgedRows", "judge"]

Float64 = NDArray[np.float64]
NUM_RESAMPLES = 400
# Worse by a tenth of a percent of normalised entropy is worse (models.md 5.7).
NE_TOLERANCE = 0.001
NDCG_TOLERANCE = 0.002
# Mean prediction over mean label outside of this, and further from 1 than the champion's, is a broken calibration;
# it is judged only when so many positives make the ratio itself steady.
PCOC_RANGE, PCOC_POSITIVES = (0.8, 1.25), 100
QUANTILE = 0.05
CLIP = 1e-7


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Labels and predictions of one task on the judging rows. `user_N`: int64 index of each row's user.

    `is_binary`: probabilities against 0 or 1; otherwise log seconds against log seconds.
    """

    y_N: Float64
    champion_N: Float64
    challenger_N: Float64
    user_N: NDArray[np.int64]
    is_binary: bool = True


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """One task. `change` is challenger less champion in normalised entropy; `surely_above` its 5 % quantile."""

    rows: int
    positives: int
    champion: float
    challenger: float
    change: float
    surely_above: float
    pcoc: float
    is_worse: bool


@dataclass(frozen=True, slots=True)
class GateReport:
    """What was decided and why. `ndcg_change`: mean over slates with a click, NaN-free; 0 without such slates."""

    is_promoted: bool
    reason: str
    tasks: dict[str, TaskVerdict] = field(default_factory=dict)
    ndcg_change: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the manifest and the announcement."""
        return asdict(self)


def judge(
    rows: Mapping[str, JudgedRows], ndcg_pairs: Sequence[tuple[int, float, float]], rng: np.random.Generator
) -> GateReport:
    """Decide. `ndcg_pairs`: (user index, champion's, challenger's NDCG@10) of each judged slate with a click."""
    if any(not np.isfinite(judged.challenger_N).all() for judged in rows.values()):
        return GateReport(is_promoted=False, reason="the challenger predicts values that are not finite")
    verdicts = {task: _verdict(judged, rng) for task, judged in rows.items() if len(judged.y_N)}
    change, surely_below = _ndcg_change(ndcg_pairs, rng)
    worse = [
        f"{task} is worse by {v.change:.4f} normalised entropy on {v.rows} rows"
        for task, v in verdicts.items()
        if v.surely_above > NE_TOLERANCE
    ]
    worse += [
        f"{task} predicts {v.pcoc:.2f} times what happens on {v.rows} rows"
        for task, v in verdicts.items()
        if v.is_worse and v.surely_above <= NE_TOLERANCE
    ]
    if surely_below < -NDCG_TOLERANCE:
        worse.append(f"NDCG@10 is worse by {-change:.4f} on {len(ndcg_pairs)} slates")
    reason = "; ".join(worse) or "no task is worse beyond noise"
    return GateReport(is_promoted=not worse, reason=reason, tasks=verdicts, ndcg_change=change)


def _verdict(judged: JudgedRows, rng: np.random.Generator) -> TaskVerdict:
    champion, challenger, norm = _losses(judged)
    change, samples = _bootstrap(challenger - champion, norm, judged.user_N, rng)
    surely_above = float(np.quantile(samples, QUANTILE))
    pcoc = _pcoc(judged.y_N, judged.challenger_N) if judged.is_binary else 1.0
    return TaskVerdict(
        rows=len(judged.y_N),
        positives=int((judged.y_N > 0).sum()),
        champion=float(champion.sum() / norm.sum()),
        challenger=float(challenger.sum() / norm.sum()),
        change=change,
        surely_above=surely_above,
        pcoc=pcoc,
        is_worse=surely_above > NE_TOLERANCE or _is_uncalibrated(judged, pcoc),
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
    difference_N: Float64, norm_N: Float64, user_N: NDArray[np.int64], rng: np.random.Generator
) -> tuple[float, Float64]:
    """The ratio of sums, and its values when users are drawn with replacement: float64[NUM_RESAMPLES]."""
    _, place = np.unique(user_N, return_inverse=True)
    num = int(place.max()) + 1
    difference_U, norm_U = np.bincount(place, difference_N, num), np.bincount(place, norm_N, num)
    draws = rng.multinomial(num, np.full(num, 1 / num), NUM_RESAMPLES).astype(np.float64)
    samples: Float64 = (draws @ difference_U) / np.maximum(draws @ norm_U, CLIP)
    return float(difference_U.sum() / max(norm_U.sum(), CLIP)), samples


def _ndcg_change(pairs: Sequence[tuple[int, float, float]], rng: np.random.Generator) -> tuple[float, float]:
    """Mean change, and the 95 % quantile of its bootstrap: below zero only when it is surely worse."""
    if not pairs:
        return 0.0, 0.0
    user, before, after = (np.array(column) for column in zip(*pairs, strict=True))
    change, samples = _bootstrap(after - before, np.ones(len(pairs)), user.astype(np.int64), rng)
    return change, float(np.quantile(samples, 1 - QUANTILE))
