"""The model in training beside the one that serves: predict, then learn; then let both judge rows neither has seen.

A round is a function of the learner's state and its entries alone: the same entries give the same weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.finetune import FineTuneConfig, FineTuner
from models.metrics import auc, log_loss, ndcg_at_k, normalised_entropy, pcoc
from models.ranker import Ranker
from models.tasks import Task
from streams.settings import TrainingSettings
from streams.training.examples_to_batch import BatchOfSlates, to_batch
from streams.training.gate import GateReport, JudgedRows, judge
from streams.training.replay_buffer import ReadySlate

__all__ = ["Learner", "RoundReport"]

# Slates per step: the size the learner was tuned with (models.md 11.3).
STEP_SLATES = 64
CLICK_K = 10
Predictions = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One round. `progressive[task]`: metrics of predictions made before the rows were learned, by the live model."""

    num_slates: int
    num_skipped: int
    losses: dict[str, float]
    progressive: dict[str, dict[str, float]]
    gate: GateReport
    challenger: Ranker = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for status and log."""
        return {
            "num_slates": self.num_slates,
            "num_skipped": self.num_skipped,
            "losses": self.losses,
            "progressive": self.progressive,
            "gate": self.gate.as_json(),
        }


class Learner:
    """Holds the live model; `champion` is what serves, None before the first promotion."""

    def __init__(self, settings: TrainingSettings, schema: FeatureSchema, tasks: Sequence[Task]) -> None:
        device = None if settings.device == "auto" else settings.device
        self.tuner = FineTuner(FineTuneConfig(), schema, tasks, device=device, seed=settings.seed)
        self.champion: Ranker | None = None
        self._settings, self._schema, self._tasks = settings, schema, tuple(tasks)

    def run_round(
        self, entries: Sequence[ReadySlate], replay: Callable[[int, np.random.Generator], Sequence[ReadySlate]],
        number: int,
    ) -> RoundReport:  # fmt: skip
        """Learn the entries (oldest first) and judge on the newest share of them. `replay` samples older slates."""
        rng = np.random.default_rng([self._settings.seed, number])
        first_judge = len(entries) - max(1, int(len(entries) * self._settings.judge_frac))
        learned, judged = entries[:first_judge], entries[first_judge:]
        losses: list[dict[str, float]] = []
        seen: list[tuple[Batch, Predictions]] = []
        num_skipped = self._learn(learned, replay, rng, losses, seen)
        challenger = self.tuner.serving_model()
        gate = self._judge(judged, challenger, rng)
        num_skipped += self._learn(judged, replay, rng, losses, seen)
        self.tuner.refit_thresholds()
        return RoundReport(
            num_slates=len(entries),
            num_skipped=num_skipped,
            losses=_mean(losses),
            progressive=_progressive(seen, self._tasks),
            gate=gate,
            challenger=challenger.to("cpu"),
        )

    def _learn(
        self,
        entries: Sequence[ReadySlate],
        replay: Callable[[int, np.random.Generator], Sequence[ReadySlate]],
        rng: np.random.Generator,
        losses: list[dict[str, float]],
        seen: list[tuple[Batch, Predictions]],
    ) -> int:
        num_skipped = 0
        for start in range(0, len(entries), STEP_SLATES):
            new = self._batch(entries[start : start + STEP_SLATES])
            num_skipped += new.num_skipped
            if not new.batch.num_rows:
                continue
            seen.append((new.batch, _numpy(self.tuner.predict_then_calibrate(new.batch))))
            old = self._batch(replay(self._settings.replay_slates, rng))
            batches = [batch for batch in (new.batch, old.batch) if batch.num_rows]
            found = self.tuner.learn(Batch.concat(batches))
            if found:
                losses.append(found)
        return num_skipped

    def _batch(self, entries: Sequence[ReadySlate]) -> BatchOfSlates:
        return to_batch(entries, self._schema, self._tasks)

    def _judge(self, entries: Sequence[ReadySlate], challenger: Ranker, rng: np.random.Generator) -> GateReport:
        new = self._batch(entries)
        if not new.batch.num_rows:
            return GateReport(is_promoted=False, reason="no judging rows with the present features")
        batch = new.batch.to(self.tuner.device)
        after = _predict(challenger, batch)
        before = _fallback(batch, after) if self.champion is None else _predict(self.champion, batch)
        user_N = np.unique(new.user_ids, return_inverse=True)[1][batch.slate_N.cpu().numpy()]
        rows = {task.name: _judged_rows(task, new.batch, before, after, user_N) for task in self._tasks}
        return judge(rows, _ndcg_pairs(new.batch, before, after, user_N), rng)


def _predict(ranker: Ranker, batch: Batch) -> Predictions:
    ranker = ranker.to(batch.user_SU.device)
    return _numpy(ranker.predict(batch.user_SU, batch.item_NI, batch.cross_NX, batch.slate_N))


def _numpy(predictions: Mapping[str, torch.Tensor]) -> Predictions:
    return {name: values.double().cpu().numpy() for name, values in predictions.items()}


def _fallback(batch: Batch, after: Predictions) -> Predictions:
    """What serves before any model: the item's smoothed click rate; other tasks are not served, so they are equal."""
    return {**after, "click": torch.sigmoid(batch.item_NI[:, 0]).double().cpu().numpy()}


def _judged_rows(
    task: Task, batch: Batch, before: Predictions, after: Predictions, user_N: NDArray[np.int64]
) -> JudgedRows:
    is_known = batch.mask[task.name].numpy()
    y_N = batch.y[task.name].double().numpy()
    if task.loss == "ordinal":
        # Judged given the click, which the click task judges: a censored visit has no value yet.
        is_known = is_known & ~batch.censored.numpy()
        given = (
            before[task.name] / np.maximum(before["click"], 1e-9),
            after[task.name] / np.maximum(after["click"], 1e-9),
        )
        return JudgedRows(
            np.log1p(y_N[is_known]), given[0][is_known], given[1][is_known], user_N[is_known], is_binary=False
        )
    return JudgedRows(y_N[is_known], before[task.name][is_known], after[task.name][is_known], user_N[is_known])


def _ndcg_pairs(
    batch: Batch, before: Predictions, after: Predictions, user_N: NDArray[np.int64]
) -> list[tuple[int, float, float]]:
    is_known = batch.mask["click"].numpy()
    y, slate = batch.y["click"].numpy()[is_known], batch.slate_N.numpy()[is_known]
    if not len(slate):
        return []
    position = batch.position_N.numpy()[is_known]
    old = ndcg_at_k(y, before["click"][is_known], slate, position, CLICK_K)
    new = ndcg_at_k(y, after["click"][is_known], slate, position, CLICK_K)
    _, first = np.unique(slate, return_index=True)
    users = user_N[is_known][first].tolist()
    return [(u, b, a) for u, b, a in zip(users, old.tolist(), new.tolist(), strict=True) if not np.isnan(b)]


def _mean(losses: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = {name for found in losses for name in found}
    return {name: float(np.mean([found[name] for found in losses if name in found])) for name in sorted(names)}


def _progressive(seen: Sequence[tuple[Batch, Predictions]], tasks: Sequence[Task]) -> dict[str, dict[str, float]]:
    """Metrics of binary tasks over all rows of the round."""
    metrics: dict[str, dict[str, float]] = {}
    for task in tasks:
        parts = [(b.y[task.name].numpy()[m], p[task.name][m]) for b, p in seen for m in [b.mask[task.name].numpy()]]
        if task.loss != "bce" or not parts or not sum(len(y) for y, _ in parts):
            continue
        y, p = (np.concatenate(column) for column in zip(*parts, strict=True))
        found = {"rows": float(len(y)), "log_loss": log_loss(y, p), "normalised_entropy": normalised_entropy(y, p),
                 "pcoc": pcoc(y, p), "auc": auc(y, p)}  # fmt: skip
        metrics[task.name] = {name: value for name, value in found.items() if np.isfinite(value)}
    return metrics
