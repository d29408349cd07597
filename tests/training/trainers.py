"""Buffer and rounds in one data folder, fed with ready slates, as the tests of rounds and versions want them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from models.checkpoint import load, save
from models.task_outputs import output_rows
from streams.examples.records import Labels
from streams.settings import CatalogueFields, Settings, TrainingSettings
from streams.training.buffered_slate import ReadySlate
from streams.training.learner import RoundReport
from streams.training.registry import Registry
from streams.training.replay_buffer import ReplayBuffer
from streams.training.rounds import Rounds

PER_ROUND = 64


def sabotage(registry: Registry, hashes: tuple[str, str]) -> int:
    """The champion on disk loses what it learned of clicks, after the gate has seen it; returns its version."""
    version = registry.champions().version
    facts, ranker = registry.about(version), load(registry.path(version), *hashes).ranker
    with torch.no_grad():
        for name, rows in output_rows(ranker, "click").items():
            ranker.get_parameter(name)[rows] *= -1
    shutil.rmtree(registry.path(version))
    save(registry.path(version), ranker, version=version, schema_hash=hashes[0], task_hash=hashes[1], extra=facts)
    return version


def settings_in(folder: Path) -> Settings:
    """Of a trainer with its data in `folder`: rounds by rows alone, few fields."""
    training = TrainingSettings(device="cpu", round_slates=PER_ROUND, round_interval_s=None, replay_slates=16)
    fields = CatalogueFields(affinity=("category",), numbers=("price",))
    return Settings(data_dir=folder, catalogue=fields, training=training)


class Trainer:
    """Buffer and rounds in one data folder; `reopen` is a restart of the process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open()

    def _open(self) -> None:
        self.buffer = ReplayBuffer(self.settings.data_dir / "buffer", buffer_days=14, buffer_max_bytes=1 << 30)
        self.rounds = Rounds(self.settings, self.buffer)

    def reopen(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        self.rounds.close()
        self.buffer.close()

    def feed(self, slates: Sequence[ReadySlate]) -> None:
        records = [record for slate in slates for record in (slate.slate.shown[0], *_labels(slate))]
        start = self.buffer.next_offset(0) or 0
        self.buffer.append(0, list(enumerate(records, start)), start + len(records))

    def run_due(self) -> list[int | None]:
        """Run rounds while any is due; returns the versions published."""
        published = []
        while self.rounds.num_waiting >= PER_ROUND:
            published.append(self.rounds.run(PER_ROUND, 1_000)[1])
        return published

    def reports(self) -> list[RoundReport]:
        """Run rounds while any is due; returns what each said."""
        found = []
        while self.rounds.num_waiting >= PER_ROUND:
            found.append(self.rounds.run(PER_ROUND, 1_000)[0])
        return found

    def weights(self) -> dict[str, torch.Tensor]:
        return self.rounds.learner.tuner.state_dict()


def _labels(slate: ReadySlate) -> list[Labels]:
    return [
        Labels(slate_id=slate.slate.slate_id, user_id=slate.slate.user_id, task=task, revision=1,
               items=held.items, values=held.values, censored=held.censored)
        for task, held in slate.slate.labels.items()
    ]  # fmt: skip
