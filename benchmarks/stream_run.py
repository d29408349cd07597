"""`freshrank evaluate` in one process: lists are scored by the champion before their clicks, then learned.

Everything is the real thing but its transport: pipeline and scorer, replay buffer, rounds, gate, registry. The lists of
a step are scored by one model; then its examples are appended, and the rounds that are due by rows are run.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from benchmarks.log_examples import LogExamples, LogStep
from streams.ranking.pipeline import rank
from streams.ranking.scorer import Scorer, Serving
from streams.replay.ranked_lists import RankedList
from streams.settings import Settings
from streams.training.learner import RoundReport
from streams.training.replay_buffer import ReplayBuffer
from streams.training.rounds import Rounds
from streams.training.schedule import num_due

__all__ = ["StreamRun", "run_stream"]

# As many as the worker scores at once (streams.worker.serving).
LISTS_AT_ONCE = 64
# What is done to the learner before the first round: `rounds.learner` may be replaced.
Prepare = Callable[[Rounds], None]


@dataclass(slots=True)
class StreamRun:
    """One pass: every list of the log with its answer, and what each round reported.

    `frozen_lists`: the same lists, answered from `frozen_from` on by the model that served there.
    """

    lists: list[RankedList]
    frozen_lists: list[RankedList]
    reports: list[RoundReport] = field(default_factory=list)
    num_published: int = 0


def run_stream(
    log: LogExamples,
    *,
    seed: int,
    frozen_from: int | None = None,
    prepare: Prepare | None = None,
    settings: Settings | None = None,
) -> StreamRun:
    """One pass over the log from a cold start; the answers are in `lists`, as streams.replay.evaluation measures them.

    `frozen_from`: index of a list; a model that stops learning before its step answers too. `settings`: in place of the
    log's own, which are those of `freshrank evaluate`; seed and folder are set here.
    """
    run = StreamRun(_unanswered(log.lists), _unanswered(log.lists))
    with tempfile.TemporaryDirectory(prefix="freshrank-stream-") as folder:
        stream = _Stream(log, _settings(settings or log.settings, Path(folder), seed), prepare)
        frozen: Serving | None = None
        num_begun = 0
        for step in log.steps:
            serving = stream.serving()
            num_begun += len(step.tasks)
            if frozen_from is not None and num_begun > frozen_from:
                frozen = frozen or serving
                stream.answer(step, frozen, run.frozen_lists)
            stream.answer(step, serving, run.lists)
            run.reports += stream.learn(step)
        run.num_published = stream.rounds.registry.champions().version
        stream.buffer.close()
    return run


def _settings(used: Settings, folder: Path, seed: int) -> Settings:
    training = used.training.model_copy(update={"seed": seed})
    torch.set_num_threads(training.threads)
    return used.model_copy(update={"data_dir": folder, "training": training})


def _unanswered(lists: Sequence[RankedList]) -> list[RankedList]:
    return [replace(one, scores=dict(one.scores), p_click=None) for one in lists]


class _Stream:
    """Worker and trainer of one run."""

    def __init__(self, log: LogExamples, settings: Settings, prepare: Prepare | None) -> None:
        self._log, self._settings = log, settings
        days, max_bytes = settings.training.buffer_days, settings.training.buffer_max_bytes
        self.buffer = ReplayBuffer(settings.data_dir / "buffer", buffer_days=days, buffer_max_bytes=max_bytes)
        self.rounds = Rounds(settings, self.buffer)
        if prepare is not None:
            prepare(self.rounds)
        self._scorer = Scorer(settings.ranking)
        self._num_examples = 0

    def serving(self) -> Serving:
        """The champion of now."""
        return Serving(self.rounds.registry.champions().version, self.rounds.learner.champion)

    def answer(self, step: LogStep, serving: Serving, lists: Sequence[RankedList]) -> None:
        """Score the lists of a step."""
        self._scorer.serving = serving
        for start in range(0, len(step.tasks), LISTS_AT_ONCE):
            tasks = step.tasks[start : start + LISTS_AT_ONCE]
            found = rank(tasks, self._log.items, self._scorer, self._settings, 0)
            for index, made in enumerate(found, step.first_list + start):
                lists[index].take_answer(made.record)

    def learn(self, step: LogStep) -> Sequence[RoundReport]:
        """Take the examples in, and run the rounds that are due."""
        first, self._num_examples = self._num_examples, self._num_examples + len(step.examples)
        self.buffer.append(0, list(enumerate(step.examples, first)), self._num_examples)
        reports = []
        while num := num_due(self._settings.training, self.rounds.num_waiting, 0.0):
            reports.append(self.rounds.run(num, 0)[0])
        return reports
