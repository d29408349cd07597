"""Rounds over a real buffer: what a kill between any two steps leaves is gone on from exactly."""

import shutil
from pathlib import Path

import torch
from structlog.testing import capture_logs

from models.checkpoint import read_tensors, write_tensors
from streams.settings import Settings
from streams.training.trainer_state import Progress
from tests.training.taste_world import ready_slates
from tests.training.trainers import PER_ROUND, Trainer


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
    trainer.rounds.succession.follow()
    champion = trainer.rounds.learner.champion
    assert champion is not None
    trainer.rounds.registry.promote(2, *trainer.rounds.hashes)
    trainer.rounds.succession.follow()
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


def test_a_state_of_another_shape_is_refused_and_an_empty_model_learns_from_the_buffer(trainer: Trainer) -> None:
    trainer.feed(ready_slates(2 * PER_ROUND))
    trainer.run_due()
    newest = max((trainer.settings.data_dir / "trainer").glob("0*"))
    tensors, facts = read_tensors(newest)
    shutil.rmtree(newest)
    write_tensors(newest, {n: t for n, t in tensors.items() if n != "ranker.first.weight_OF"}, facts)
    with capture_logs() as logs:
        trainer.reopen()
    refusal = next(entry["reason"] for entry in logs if entry["event"] == "trainer_state_refused")
    assert "ranker.first.weight_OF" in refusal
    assert "freshrank trainer --bootstrap" in refusal
    assert (trainer.rounds.progress.num_rounds, trainer.rounds.num_waiting) == (0, 2 * PER_ROUND)
