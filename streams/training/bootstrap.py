"""A model from history: learn the oldest part, stop by the part after it, measure on the newest, then learn all.

The first pass is in order of time, each step predicted before it is learned, as in the stream. Further passes only as
long as the validation loss falls, and as replay, which leaves ids alone: they would learn rows by heart. The best
weights are measured on the test part, and then learn validation and test part as a stream would, as they serve from
the newest row on.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from models.device_batches import on_device
from models.finetune import FineTuner
from models.tasks import Task
from streams.training.buffered_slate import ReadySlate
from streams.training.examples_to_batch import to_batch
from streams.training.history import History
from streams.training.judged_rows import predict, to_numpy
from streams.training.predicted_rows import PredictedBatch
from streams.training.prediction_cells import RoundCells, round_cells
from streams.training.progressive import progressive_metrics
from streams.training.round_plan import first_labels

__all__ = ["BootstrapReport", "Patience", "learn_history"]

STEP_SLATES = 16
# Looks at the validation part in one pass.
CHECKS_PER_PASS = 4
# Steps of the first pass whose predictions are kept for its metrics: the newest of them.
KEPT_STEPS = 1024
Tell = Callable[[float, str], None]
Metrics = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When to stop: after `max_passes` over the history, or `num_checks` looks without a lower validation loss."""

    max_passes: int = 6
    num_checks: int = 4


@dataclass(slots=True)
class BootstrapReport:
    """What was learned, and how well, by task as in a round's report. `num_skipped`: slates with other features.

    `curve`: validation loss (weighted normalised entropies) after so many passes. Metrics: `train` of the first pass,
    before each row was learned; `validation` and `test` of the best weights, standing still; `test_in_stream` of each
    test row before it was learned, as the model serves; `cells`: its predictions as counts, for the history of rounds.
    """

    num_train: int
    num_validation: int
    num_test: int
    num_learned: int = 0
    num_skipped: int = 0
    num_steps_skipped: int = 0
    stopped: str = ""
    best_after_passes: float = 0.0
    curve: list[tuple[float, float]] = field(default_factory=list)
    train: Metrics = field(default_factory=dict)
    validation: Metrics = field(default_factory=dict)
    test: Metrics = field(default_factory=dict)
    test_in_stream: Metrics = field(default_factory=dict)
    cells: RoundCells = field(default_factory=RoundCells)

    def as_json(self) -> dict[str, Any]:
        """Plain values of all but the cells."""
        return {name: value for name, value in asdict(self).items() if name != "cells"}


def learn_history(tuner: FineTuner, history: History, patience: Patience, tell: Tell) -> BootstrapReport:
    """Teach a new `tuner` the history; it ends as the one to go on learning with. `tell` gets how much is done."""
    return _Bootstrap(tuner, history, tell).run(patience)


class _Bootstrap:
    def __init__(self, tuner: FineTuner, history: History, tell: Tell) -> None:
        self._tuner, self._history, self._tell = tuner, history, tell
        self._schema, self._tasks = tuner.ranker.schema, tuner.ranker.tasks
        self._report = BootstrapReport(
            num_train=len(history.train), num_validation=len(history.validation), num_test=len(history.test)
        )
        self._best: tuple[float, dict[str, torch.Tensor]] | None = None
        self._num_since_best = 0

    def run(self, patience: Patience) -> BootstrapReport:
        report = self._report
        report.stopped = self._learn_train(patience)
        if self._best is not None:
            self._tuner.load_state_dict(self._best[1])
        report.validation = self._measured(self._history.validation)
        report.test = self._measured(self._history.test)
        self._tell(0.95, "learning the newest part")
        self._in_stream(self._history.validation)
        seen = self._in_stream(self._history.test)
        report.test_in_stream = progressive_metrics(seen, self._tasks)
        report.cells = round_cells(seen, self._tasks)
        self._tuner.refit()
        report.num_steps_skipped = self._tuner.num_skipped
        return report

    def _learn_train(self, patience: Patience) -> str:
        """Pass after pass; returns why it ended."""
        for number in range(patience.max_passes):
            for done_frac in self._pass(number):
                self._check(number + done_frac)
                # The first pass learns each row once: there is nothing yet that could be learned by heart.
                if number and self._num_since_best >= patience.num_checks:
                    return f"validation loss did not fall in {patience.num_checks} looks"
            if self._report.best_after_passes <= number:
                return "validation loss did not fall in the last pass"
        return f"{patience.max_passes} passes were made"

    def _pass(self, number: int) -> Iterable[float]:
        """Learn the train part once; yields the share done at each look."""
        num_train = max(len(self._history.train), 1)
        seen: deque[PredictedBatch] = deque(maxlen=KEPT_STEPS)
        num_done, num_looks = 0, 1
        for block in self._history.blocks(self._history.train):
            if number == 0:
                for entries in _steps(block):
                    self._step(entries, seen)
            else:
                self._repeat(block)
            num_done += len(block)
            if num_done / num_train >= num_looks / CHECKS_PER_PASS and num_looks < CHECKS_PER_PASS:
                num_looks += 1
                yield num_done / num_train
        if number == 0:
            self._report.train = progressive_metrics(list(seen), self._tasks)
        yield 1.0

    def _step(self, entries: Sequence[ReadySlate], seen: "deque[PredictedBatch] | list[PredictedBatch]") -> None:
        """One step on rows that are new: predicted and calibrated on first."""
        found = to_batch(entries, self._schema, self._tasks)
        self._report.num_skipped += found.num_skipped
        if not found.batch.num_rows:
            return
        new = to_batch(first_labels(entries), self._schema, self._tasks)
        if new.batch.num_rows:
            predictions = to_numpy(self._tuner.predict_then_calibrate(new.batch), self._tasks)
            seen.append(PredictedBatch(new.batch, new.shown_at_ms_S, predictions, None))
        self._report.num_learned += found.batch.num_slates
        self._tuner.learn(found.batch)

    def _repeat(self, block: Sequence[ReadySlate]) -> None:
        """Steps on rows that were learned before."""
        batches = (to_batch(entries, self._schema, self._tasks).batch.as_replay() for entries in _steps(block))
        for batch in on_device((batch for batch in batches if batch.num_rows), self._tuner.device):
            self._tuner.learn(batch)

    def _in_stream(self, part: Sequence[int]) -> list[PredictedBatch]:
        seen: list[PredictedBatch] = []
        for block in self._history.blocks(part):
            for entries in _steps(block):
                self._step(entries, seen)
        return seen

    def _check(self, num_passes: float) -> None:
        loss = _loss(self._measured(self._history.validation), self._tasks)
        peers = self._tuner.net.peers
        loss = loss if peers is None else peers.first(loss)
        self._report.curve.append((round(num_passes, 3), loss))
        self._num_since_best += 1
        if self._best is None or loss < self._best[0]:
            self._best, self._num_since_best = (loss, self._tuner.state_dict()), 0
            self._report.best_after_passes = round(num_passes, 3)
        self._tell(0.9 * num_passes / (num_passes + 1), f"pass {num_passes:.2f}: validation loss {loss:.4f}")

    def _measured(self, part: Sequence[int]) -> Metrics:
        """Metrics of the averaged, calibrated model as it stands, by task."""
        ranker, seen = self._tuner.serving_model(), []
        for block in self._history.blocks(part):
            found = to_batch(block, self._schema, self._tasks)
            if found.batch.num_rows:
                predictions = predict(ranker, found.batch.to(self._tuner.device))
                seen.append(PredictedBatch(found.batch, found.shown_at_ms_S, predictions, None))
        return progressive_metrics(seen, self._tasks)


def _loss(metrics: Metrics, tasks: Sequence[Task]) -> float:
    """Sum of loss weight x normalised entropy (dwell: squared error of log seconds) over tasks that have labels."""
    names = {task.name: "squared_error" if task.is_seconds else "normalised_entropy" for task in tasks}
    found = [task.loss_weight * metrics.get(task.name, {}).get(names[task.name], 0.0) for task in tasks]
    return float(sum(found))


def _steps(block: Sequence[ReadySlate]) -> Iterable[Sequence[ReadySlate]]:
    return (block[start : start + STEP_SLATES] for start in range(0, len(block), STEP_SLATES))
