"""Rounds over a real buffer: what a kill between any two steps leaves is gone on from exactly."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from streams.examples.records import Labels
from streams.settings import CatalogueFields, Settings, TrainingSettings
from streams.training.buffered_slate import ReadySlate
from streams.training.replay_buffer import ReplayBuffer
from streams.training.rounds import Rounds
from streams.training.trainer_state import Progress
from tests.training.taste_world import ready_slates

PER_ROUND = 64


@pytest.fixture
def trainer_settings(tmp_path: Path) -> Settings:
    training = TrainingSettings(device="cpu", round_slates=PER_ROUND, round_interval_s=None, replay_slates=16)
    fields = CatalogueFields(affinity=("category",), numbers=("price",))
    return Settings(data_dir=tmp_path / "data", catalogue=fields, training=training)


class Trainer:
    """Buffer and rounds in one data folder; `reopen` is a restart of the process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open()

    def _open(self) -> None:
        self.buffer = ReplayBuffer(self.settings.data_dir / "buffer", buffer_days=14, buffer_max_bytes=1 << 30)
        self.rounds = Rounds(self.settings, self.buffer)

    def reopen(self) -> None:
        self.buffer.close()
        self._open()

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

    def weights(self) -> dict[str, torch.Tensor]:
        return self.rounds.learner.tuner.state_dict()


def _labels(slate: ReadySlate) -> list[Labels]:
    return [
        Labels(slate_id=slate.slate.slate_id, user_id=slate.slate.user_id, task=task, revision=1,
               items=held.items, values=held.values, censored=held.censored)
        for task, held in slate.slate.labels.items()
    ]  # fmt: skip


@pytest.fixture
def trainer(trainer_settings: Settings) -> Iterator[Trainer]:
    made = Trainer(trainer_settings)
    yield made
    made.buffer.close()


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_trainer_that_restarts_after_every_round_ends_as_one_that_never_did(
    trainer: Trainer, trainer_settings: Settings, tmp_path: Path
) -> None:
    trainer.feed(ready_slates(5 * PER_ROUND))
    published = trainer.run_due()
    other = Trainer(trainer_settings.model_copy(update={"data_dir": tmp_path / "other"}))
    other.feed(ready_slates(5 * PER_ROUND))
    again = []
    for _ in range(5):
        again.append(other.rounds.run(PER_ROUND, 1_000)[1])
        other.reopen()
    assert (again, other.rounds.progress) == (published, trainer.rounds.progress)
    assert any(published)
    assert_same(trainer.weights(), other.weights())
    other.buffer.close()


def test_a_kill_before_the_state_is_saved_repeats_the_round_with_the_same_result(trainer: Trainer) -> None:
    """Kill -9 in the middle of a round leaves the state before it: here it is put back after the round."""
    trainer.feed(ready_slates(3 * PER_ROUND))
    trainer.rounds.run(PER_ROUND, 1_000)
    saved, kept = trainer.settings.data_dir / "trainer", trainer.settings.data_dir / "kept"
    shutil.copytree(saved, kept)
    trainer.rounds.run(PER_ROUND, 1_000)
    straight, progress = trainer.weights(), trainer.rounds.progress
    shutil.rmtree(saved)
    kept.rename(saved)
    trainer.reopen()
    assert trainer.rounds.progress.num_rounds == 1
    trainer.rounds.run(PER_ROUND, 1_000)
    assert trainer.rounds.progress == progress
    assert_same(trainer.weights(), straight)


def test_every_label_is_predicted_in_exactly_one_round(trainer: Trainer) -> None:
    slates = ready_slates(2 * PER_ROUND + 10)
    rows = []
    for start in range(0, len(slates), 20):
        trainer.feed(slates[start : start + 20])
        while trainer.rounds.num_waiting >= PER_ROUND:
            report, _ = trainer.rounds.run(PER_ROUND, 1_000)
            rows.append(report.progressive["click"]["rows"])
            trainer.reopen()
    assert (rows, trainer.rounds.num_waiting) == ([10.0 * PER_ROUND] * 2, 10)


def test_what_is_published_is_the_champion_that_later_challengers_meet(trainer: Trainer) -> None:
    trainer.feed(ready_slates(8 * PER_ROUND))
    versions = [version for version in trainer.run_due() if version is not None]
    assert versions == list(range(1, len(versions) + 1))
    assert trainer.rounds.registry.champions().version == versions[-1]
    trainer.reopen()
    assert trainer.rounds.learner.champion is not None


def test_a_damaged_champion_is_passed_over_and_the_trainer_goes_on(trainer: Trainer) -> None:
    trainer.feed(ready_slates(8 * PER_ROUND))
    newest = [version for version in trainer.run_due() if version is not None][-1]
    weights = trainer.rounds.registry.path(newest) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    trainer.reopen()
    assert trainer.rounds.learner.champion is None
    trainer.feed(ready_slates(PER_ROUND, seed=1))
    assert len(trainer.run_due()) == 1


def test_a_promoted_version_is_the_one_to_beat(trainer: Trainer) -> None:
    trainer.feed(ready_slates(8 * PER_ROUND))
    trainer.run_due()
    trainer.rounds.registry.promote(1, *trainer.rounds.hashes)
    trainer.rounds.follow_champion()
    champion = trainer.rounds.learner.champion
    assert champion is not None
    trainer.rounds.registry.promote(2, *trainer.rounds.hashes)
    trainer.rounds.follow_champion()
    other = trainer.rounds.learner.champion
    assert other is not None
    pairs = zip(champion.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(left, right) for left, right in pairs)


def test_a_buffer_that_was_removed_is_learned_from_its_beginning(trainer: Trainer) -> None:
    trainer.feed(ready_slates(PER_ROUND))
    trainer.run_due()
    trainer.buffer.close()
    shutil.rmtree(trainer.settings.data_dir / "buffer")
    trainer._open()
    assert trainer.rounds.progress == Progress(0, 1, *trainer.rounds.hashes)
    trainer.feed(ready_slates(PER_ROUND, seed=1))
    assert len(trainer.run_due()) == 1
