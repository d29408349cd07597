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
    """One pass: every list of the log with its answer, and what each round reported."""

    lists: list[RankedList]
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

    `frozen_from`: index of the list from whose step on nothing is learned. `settings`: in place of the log's own, which
    are those of `freshrank evaluate`; seed and folder are set here.
    """
    used = settings or log.settings
    run = StreamRun([replace(one, scores=dict(one.scores), p_click=None) for one in log.lists])
    by_slate = {(one.user_id, one.slate_id): one for one in run.lists}
    with tempfile.TemporaryDirectory(prefix="freshrank-stream-") as folder:
        training = used.training.model_copy(update={"seed": seed})
        used = used.model_copy(update={"data_dir": Path(folder), "training": training})
        torch.set_num_threads(training.threads)
        stream = _Stream(log, used, prepare)
        num_lists = 0
        for step in log.steps:
            stream.answer(step, by_slate)
            num_lists += len(step.tasks)
            if frozen_from is None or num_lists <= frozen_from:
                run.reports += stream.learn(step)
        run.num_published = stream.rounds.registry.champions().version
        stream.buffer.close()
    return run


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

    def answer(self, step: LogStep, by_slate: dict[tuple[str, str], RankedList]) -> None:
        """Score the lists of a step with the champion of now."""
        champion = self.rounds.learner.champion
        self._scorer.serving = Serving(self.rounds.registry.champions().version, champion)
        for start in range(0, len(step.tasks), LISTS_AT_ONCE):
            tasks = step.tasks[start : start + LISTS_AT_ONCE]
            for ranking in rank(tasks, self._log.items, self._scorer, self._settings, 0):
                by_slate[ranking.user_id, ranking.slate_id].take_answer(ranking.model_dump())

    def learn(self, step: LogStep) -> Sequence[RoundReport]:
        """Take the examples in, and run the rounds that are due."""
        first, self._num_examples = self._num_examples, self._num_examples + len(step.examples)
        self.buffer.append(0, list(enumerate(step.examples, first)), self._num_examples)
        reports = []
        while num := num_due(self._settings.training, self.rounds.num_waiting, 0.0):
            reports.append(self.rounds.run(num, 0)[0])
        return reports
