"""The trainer's rounds: take what is due from the buffer, learn it, settle who serves (succession.py), save the state.

Runs in a thread of its own, one round at a time; the event loop only asks for a round and takes its result. Order of a
round: learn and judge, write the version, point to it, record the round, save the trainer's state; then the loop
announces. After a crash between any two of these, `Rounds` starts from the last saved state, and the loop announces the
champion again.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import structlog

from models.tasks import task_hash
from streams.settings import Settings
from streams.training.buffered_slate import ReadySlate
from streams.training.learner import Learner, RoundReport
from streams.training.registry import Registry
from streams.training.replay_buffer import ReplayBuffer
from streams.training.round_journal import RoundJournal
from streams.training.schedule import step_slates
from streams.training.succession import Succession
from streams.training.trainer_state import RETRAIN, Progress, load_state, save_state

__all__ = ["Rounds"]

log = structlog.get_logger(__name__)
# Entries per new slate that one round reads at most: a heap of late labels must not make it endless.
ENTRIES_PER_SLATE = 16


class Rounds:
    """Learner, registry and progress. Not for several threads at once."""

    def __init__(self, settings: Settings, buffer: ReplayBuffer) -> None:
        self._settings, self._buffer = settings, buffer
        self.hashes = settings.catalogue.schema_.hash, task_hash(settings.labels.tasks)
        self.registry = Registry(settings.data_dir / "models", settings.training.keep_versions)
        self.learner = Learner(settings.training, settings.catalogue.schema_, settings.labels.tasks)
        self.succession = Succession(self.registry, self.learner, self.hashes, settings.training.seed)
        self.progress = Progress(0, 0, *self.hashes)
        self._folder = settings.data_dir / "trainer"
        if not self._resume():
            self.succession.follow()
        if self.progress.cursor > buffer.last_seq:
            log.warning("buffer_is_new", cursor=self.progress.cursor, last_seq=buffer.last_seq)
            self.progress = replace(self.progress, cursor=0)
        self._journal = RoundJournal(settings.data_dir, settings.labels.tasks, self.progress.num_rounds + 1)

    def _resume(self) -> bool:
        """Go on from the saved state; False when there is none, or none that fits this code: an empty model starts."""
        found = load_state(self._folder, *self.hashes)
        if found is None:
            return False
        try:
            self.learner.tuner.load_state_dict(found[0])
        except ValueError as error:
            log.warning("trainer_state_refused", folder=str(self._folder), reason=f"{error}; {RETRAIN}")
            return False
        self.progress = found[1]
        self.succession.resume(self.progress, found[0])
        return True

    @property
    def num_waiting(self) -> int:
        """Slates that became learnable and were in no round yet."""
        return self._buffer.num_new(self.progress.cursor)

    def run(self, num_slates: int, published_at_ms: int) -> tuple[RoundReport, int | None]:
        """One round over the next `num_slates` new slates and what else stands before the last of them in the queue.

        Returns its report, and the version published; `report.live` says when a former champion was restored.
        """
        cursor, number = self.progress.cursor, self.progress.num_rounds + 1
        entries, through = self._entries(num_slates)

        def replay(num: int, rng: np.random.Generator) -> Sequence[ReadySlate]:
            return self._buffer.sample(num, rng, cursor + 1)

        steps = step_slates(self._settings.training, num_slates)
        report = self.learner.run_round(entries, replay, number, steps)
        report, published = self.succession.after_round(report, number, published_at_ms)
        # Before the state: a kill in between repeats the round, and its later record counts.
        self._journal.write(report, number, published, published_at_ms)
        self.progress = Progress(through, number, *self.hashes, **self.succession.facts())
        save_state(self._folder, {**self.learner.tuner.state_dict(), **self.succession.tensors()}, self.progress)
        return report, published

    def close(self) -> None:
        """Release the files of the journal."""
        self._journal.close()

    def _entries(self, num_slates: int) -> tuple[list[ReadySlate], int]:
        """The round's entries, and the sequence number up to which they go."""
        cursor, limit = self.progress.cursor, num_slates * ENTRIES_PER_SLATE
        through = self._buffer.seq_of_new(cursor, num_slates)
        entries = self._buffer.ready(cursor, limit, through)
        return entries, entries[-1].seq if len(entries) == limit else through
