"""Is one model surely worse than another on the rows both predicted? By task, by kind, and by list; paired.

Groups of users are drawn with replacement (paired bootstrap), as rows of one user are alike; "surely" is so many
standard errors of that. The same evidence and generator state give the same answer. What follows from it is for the
gate (gate.py) and for the watch over the model that serves (live_watch.py).
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from streams.training.evidence import CLIP, COLUMNS, KINDS, LIST_COLUMNS, Evidence
from streams.training.verdicts import Comparison, ListVerdict, TaskVerdict

__all__ = ["MIN_EACH_KIND", "compare"]

Float64 = NDArray[np.float64]
NUM_RESAMPLES = 400
# Worse by a tenth of a percent of normalised entropy is worse; lists by .002; and calibration outside of this, when it
# is further from 1 than the champion's (models.md 5.7).
NE_TOLERANCE = 0.001
LIST_TOLERANCE = 0.002
PCOC_RANGE = (0.9, 1.1)
# A task is judged from so many rows of either kind on, and its calibration from so many positives: below, its base rate
# is a guess.
MIN_EACH_KIND = 5
MIN_PCOC_POSITIVES = 20
# What fewer users say may be said of them alone.
MIN_GROUPS = 5


def compare(
    evidence: Evidence, rng: np.random.Generator, standard_errors: float, *, judges_pcoc: bool = True
) -> Comparison:
    """`standard_errors` make a difference sure: 1.28 is 90 % one-sided, 1.64 is 95 %, 3 is 99.9 %.

    `judges_pcoc`: whether calibration outside of its range is worse; it needs more rows than the loss, which has it in.
    """
    sorts = {**dict.fromkeys(evidence.binary, True), **dict.fromkeys(evidence.seconds, False)}
    tables = {**evidence.binary, **evidence.seconds}
    tasks = {
        name: _Task(name, tables[name], is_binary=is_binary).verdict(rng, standard_errors, judges_pcoc=judges_pcoc)
        for name, is_binary in sorted(sorts.items())
    }
    lists = {name: _list_verdict(name, table, rng, standard_errors) for name, table in sorted(evidence.lists.items())}
    return Comparison(tasks, lists)


class _Task:
    """The sums of one task, by name, and what they say."""

    def __init__(self, name: str, table: Float64, *, is_binary: bool) -> None:
        self._name, self._is_binary = name, is_binary
        self._column = dict(zip(COLUMNS, _occupied(table, [f"rows_{kind}" for kind in KINDS]).T, strict=True))

    def _over_kinds(self, column: str) -> Float64:
        """float64[G]."""
        total: Float64 = np.sum([self._column[f"{column}_{kind}"] for kind in KINDS], axis=0)
        return total

    def _sum(self, column: str) -> float:
        """Over users and, for what is kept by kind, over kinds."""
        return float((self._column[column] if column in self._column else self._over_kinds(column)).sum())

    def verdict(self, rng: np.random.Generator, standard_errors: float, *, judges_pcoc: bool) -> TaskVerdict:
        """What the sums say. A challenger that predicts values that are not finite is worse, whatever else is so."""
        rows, positives = int(self._sum("rows")), int(self._sum("positives"))
        norm_G = self._over_kinds("rows") * self._norm(rows)
        before_G, after_G = self._over_kinds("loss_champion"), self._over_kinds("loss_challenger")
        draws_RG = _draws(len(norm_G), rng)
        change, error = _ratio(after_G - before_G, norm_G, draws_RG)
        surely_above = change - standard_errors * error
        is_judged = min(positives, rows - positives if self._is_binary else positives) >= MIN_EACH_KIND
        problems = []
        if not math.isfinite(self._sum("p_challenger")):
            problems.append(f"{self._name}: the challenger predicts values that are not finite")
        elif is_judged:
            if surely_above > NE_TOLERANCE:
                problems.append(f"{self._name} is worse by {change:.4f} normalised entropy on {rows} rows")
            problems += self._uncalibrated(draws_RG, standard_errors) if judges_pcoc else []
        return TaskVerdict(
            rows=rows,
            positives=positives,
            champion=float(before_G.sum() / norm_G.sum()),
            challenger=float(after_G.sum() / norm_G.sum()),
            change=change,
            surely_above=surely_above,
            surely_below=change + standard_errors * error,
            pcoc=_pcoc(self._sum("p_challenger"), self._sum("y")) if self._is_binary else 1.0,
            pcoc_by_kind={kind: self._pcoc_of(kind, "challenger") for kind in self._kinds(1)},
            is_judged=is_judged,
            is_worse=bool(problems),
            problems=problems,
        )

    def _norm(self, rows: int) -> float:
        """What a row of knowing only the base rate would lose: entropy of the rate, or variance of the seconds."""
        mean = self._sum("y") / rows
        if not self._is_binary:
            return max(self._sum("y_squared") / rows - mean**2, CLIP)
        rate = min(max(mean, 0.5 / rows), 1 - 0.5 / rows)
        return -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))

    def _kinds(self, min_positives: int) -> list[str]:
        is_kind = {kind: self._column[f"y_{kind}"].sum() >= min_positives for kind in KINDS}
        return [kind for kind in KINDS if is_kind[kind]] if self._is_binary else []

    def _pcoc_of(self, kind: str, who: str) -> float:
        return _pcoc(float(self._column[f"p_{who}_{kind}"].sum()), float(self._column[f"y_{kind}"].sum()))

    def _uncalibrated(self, draws_RG: Float64, standard_errors: float) -> list[str]:
        """Kinds whose ratio is surely outside of the range, and further from 1 than the champion's was.

        A kind whose loss is surely lower is better with its ratio than the champion with its own. All rows of a task
        are inside when each of its kinds is.
        """
        problems = []
        for kind in self._kinds(MIN_PCOC_POSITIVES):
            rows_G, y_G = self._column[f"rows_{kind}"], self._column[f"y_{kind}"]
            ratio, error = _ratio(self._column[f"p_challenger_{kind}"], y_G, draws_RG)
            margin = standard_errors * error
            is_outside = ratio - margin > PCOC_RANGE[1] or ratio + margin < PCOC_RANGE[0]
            if not is_outside or _distance(ratio) <= _distance(self._pcoc_of(kind, "champion")):
                continue
            lost_G = self._column[f"loss_challenger_{kind}"] - self._column[f"loss_champion_{kind}"]
            change, error = _ratio(lost_G, rows_G, draws_RG)
            if not change + standard_errors * error < 0:
                rows = int(rows_G.sum())
                problems.append(f"{self._name} of {kind}s predicts {ratio:.2f} times what happens on {rows} rows")
        return problems


def _occupied(table: Float64, count_columns: Iterable[str], columns: tuple[str, ...] = COLUMNS) -> Float64:
    """The groups that have any row."""
    found: Float64 = table[table[:, [columns.index(name) for name in count_columns]].sum(axis=1) > 0]
    return found


def _draws(num_groups: int, rng: np.random.Generator) -> Float64:
    """float64[NUM_RESAMPLES, G]: how often each group is in each resample."""
    return rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), NUM_RESAMPLES).astype(np.float64)


def _ratio(sum_G: Float64, norm_G: Float64, draws_RG: Float64) -> tuple[float, float]:
    """The ratio of sums, and its standard error when groups are drawn anew: infinite when there are too few."""
    ratio = float(sum_G.sum() / max(float(norm_G.sum()), CLIP))
    if len(sum_G) < MIN_GROUPS:
        return ratio, math.inf
    samples_R = (draws_RG @ sum_G) / np.maximum(draws_RG @ norm_G, CLIP)
    return ratio, float(samples_R.std()) * math.sqrt(len(sum_G) / (len(sum_G) - 1))


def _pcoc(predicted: float, observed: float) -> float:
    return (predicted + CLIP) / (observed + CLIP) if observed else 1.0


def _distance(ratio: float) -> float:
    return abs(math.log(max(ratio, CLIP))) if math.isfinite(ratio) else math.inf


def _list_verdict(name: str, table: Float64, rng: np.random.Generator, standard_errors: float) -> ListVerdict:
    lists_G, weight_G, before_G, after_G = _occupied(table, ["lists"], LIST_COLUMNS).T
    change, error = _ratio(after_G - before_G, weight_G, _draws(len(weight_G), rng))
    num, is_worse = int(lists_G.sum()), change + standard_errors * error < -LIST_TOLERANCE
    return ListVerdict(
        lists=num,
        champion=float(before_G.sum() / weight_G.sum()),
        challenger=float(after_G.sum() / weight_G.sum()),
        change=change,
        surely_below=change + standard_errors * error,
        is_worse=is_worse,
        problems=[f"{name} is worse by {-change:.4f} on {num} lists"] if is_worse else [],
    )
