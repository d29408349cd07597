"""What serves is watched: a version that is surely worse than one before it is taken back, whoever let it out."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from streams.training.learner import RoundReport
from streams.training.live_watch import WATCH_ROUNDS
from tests.training.taste_world import ready_slates
from tests.training.trainers import PER_ROUND, Trainer, sabotage, settings_in

NUM_BEFORE, NUM_AFTER = 8, 8


def fed(trainer: Trainer, num_rounds: int, seed: int) -> list[RoundReport]:
    trainer.feed(ready_slates(num_rounds * PER_ROUND, seed))
    return trainer.reports()


class SabotagedRun(NamedTuple):
    trainer: Trainer
    version: int
    reports: list[RoundReport]


@pytest.fixture(scope="module")
def sabotaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SabotagedRun]:
    """The rounds before, a champion that loses what it learned, and the rounds after; to be looked at only."""
    trainer = Trainer(settings_in(tmp_path_factory.mktemp("sabotaged") / "data"))
    fed(trainer, NUM_BEFORE, 1)
    version = sabotage(trainer.rounds.registry, trainer.rounds.hashes)
    trainer.reopen()
    yield SabotagedRun(trainer, version, fed(trainer, NUM_AFTER, 2))
    trainer.close()


def test_a_sabotaged_version_is_taken_back_after_one_round_and_says_why(sabotaged: SabotagedRun) -> None:
    trainer, version, reports = sabotaged
    restored = [number for number, report in enumerate(reports, 1) if report.live.restored]
    assert len(restored) == 1
    assert restored[0] == 1
    report = reports[restored[0] - 1]
    assert 0 < report.live.former < version
    assert report.live.reason.startswith(f"against version {report.live.former}: ")
    assert "click is worse by 3." in report.live.reason
    assert f"normalised entropy on {10 * PER_ROUND} rows" in report.live.reason
    assert report.gate.reason == f"version {report.live.former} was restored: {report.live.reason}"
    champions = trainer.rounds.registry.champions()
    assert champions.withdrawn[str(version)] == report.live.reason
    assert version not in champions.before


def test_the_next_version_has_beaten_the_one_that_was_restored(sabotaged: SabotagedRun) -> None:
    trainer, version, reports = sabotaged
    restored = next(number for number, report in enumerate(reports) if report.live.restored)
    promoted = next(report for report in reports[restored + 1 :] if report.gate.is_promoted)
    assert promoted.gate.tasks["click"].surely_below < 0
    assert trainer.rounds.registry.champions().version > version
    assert trainer.rounds.learner.to_beat == ""


def test_versions_that_are_as_good_are_never_taken_back(trainer: Trainer) -> None:
    reports = fed(trainer, 16, 5)
    assert [report.live.restored for report in reports] == [False] * 16
    assert max(report.live.rounds for report in reports) == WATCH_ROUNDS
    assert trainer.rounds.registry.champions().withdrawn == {}


def test_a_trainer_that_restarts_after_every_round_watches_and_takes_back_the_same(
    sabotaged: SabotagedRun, trainer: Trainer
) -> None:
    fed(trainer, NUM_BEFORE, 1)
    sabotage(trainer.rounds.registry, trainer.rounds.hashes)
    trainer.reopen()
    trainer.feed(ready_slates(NUM_AFTER * PER_ROUND, 2))
    found = []
    for _ in range(NUM_AFTER):
        found.append(trainer.rounds.run(PER_ROUND, 1_000)[0])
        trainer.reopen()
    assert [report.as_json() for report in found] == [report.as_json() for report in sabotaged.reports]
    assert trainer.rounds.registry.champions() == sabotaged.trainer.rounds.registry.champions()
    assert trainer.rounds.progress == sabotaged.trainer.rounds.progress


@pytest.mark.parametrize("is_torn", [False, True])
def test_a_version_whose_round_was_cut_off_is_published_once(trainer: Trainer, *, is_torn: bool) -> None:
    """Kill -9 between the pointer and the trainer's state: the round is repeated against the champion it met."""
    fed(trainer, 6, 1)
    registry = trainer.rounds.registry
    newest, champion = max((trainer.settings.data_dir / "trainer").glob("0*")), registry.champions().version
    assert registry.about(champion)["round"] == int(newest.name)
    (newest / "manifest.json").unlink()
    if is_torn:
        (registry.path(champion) / "weights.safetensors").write_bytes(b"torn")
    trainer.reopen()
    assert trainer.rounds.succession.champion == champion - 1
    trainer.reports()
    assert (registry.champions().version, trainer.rounds.succession.champion) == (champion + is_torn,) * 2
