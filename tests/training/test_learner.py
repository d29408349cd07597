import dataclasses
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
import torch

from models.ranker import Ranker
from models.tasks import DEFAULT_TASKS
from streams.settings import TrainingSettings
from streams.training.buffered_slate import ReadySlate
from streams.training.learner import Learner, RoundReport
from tests.training.taste_world import SCHEMA, only, ready_slates, with_labels

SETTINGS = TrainingSettings(device="cpu", seed=1, replay_slates=32)
TASKS = DEFAULT_TASKS[:3]


class Memory:
    """Replays from the slates given, as the buffer would."""

    def __init__(self, slates: Sequence[ReadySlate]) -> None:
        self.slates = slates

    def __call__(self, num: int, rng: np.random.Generator) -> list[ReadySlate]:
        return [self.slates[k] for k in rng.choice(len(self.slates), min(num, len(self.slates)), replace=False)]


NOTHING = Memory([])


def new_learner() -> Learner:
    return Learner(SETTINGS, SCHEMA, TASKS)


def run(learner: Learner, rounds: Sequence[Sequence[ReadySlate]], first: int = 1) -> list[RoundReport]:
    """Rounds in order, each replaying all slates before it; what is promoted becomes the champion."""
    reports, before = [], list[ReadySlate]()
    for number, entries in enumerate(rounds, first):
        reports.append(learner.run_round(entries, Memory(before), number))
        before += entries
        if reports[-1].gate.is_promoted:
            learner.crown(reports[-1].challenger)
    return reports


def assert_same_weights(one: Ranker, other: Ranker) -> None:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    assert [name for (name, left), (_, right) in pairs if not torch.equal(left, right)] == []


@pytest.fixture(scope="module")
def trained() -> tuple[Learner, list[RoundReport]]:
    learner = new_learner()
    return learner, run(learner, [ready_slates(128, seed) for seed in range(6)])


def test_the_first_model_is_published_once_it_beats_the_click_rates(
    trained: tuple[Learner, list[RoundReport]],
) -> None:
    _, reports = trained
    assert not reports[0].gate.is_promoted
    assert reports[0].gate.tasks["click"].challenger > reports[0].gate.tasks["click"].champion
    assert reports[-1].gate.is_promoted
    assert reports[-1].gate.tasks["click"].challenger < 0.85


def test_what_is_predicted_before_it_is_learned_gets_better(trained: tuple[Learner, list[RoundReport]]) -> None:
    _, reports = trained
    auc = [report.progressive["click"]["auc"] for report in reports]
    assert auc[-1] > auc[0] + 0.05
    assert reports[-1].progressive["dwell"]["auc"] > 0.7
    assert reports[-1].progressive["click"]["pcoc"] == pytest.approx(1.0, abs=0.1)


def test_every_slate_is_predicted_once(trained: tuple[Learner, list[RoundReport]]) -> None:
    _, reports = trained
    assert [report.progressive["click"]["rows"] for report in reports] == [1280.0] * 6
    assert [(report.num_slates, report.num_judged) for report in reports] == [(128, 32)] * 6


def test_the_same_entries_give_the_same_weights_and_the_same_report() -> None:
    rounds = [ready_slates(64, seed) for seed in range(2)]
    one, other = run(new_learner(), rounds), run(new_learner(), rounds)
    assert [report.as_json() for report in one] == [report.as_json() for report in other]
    assert_same_weights(one[-1].challenger, other[-1].challenger)


def test_a_resumed_learner_goes_on_as_an_uninterrupted_one() -> None:
    rounds = [ready_slates(64, seed) for seed in range(3)]
    straight = new_learner()
    run(straight, rounds[:1])
    resumed = new_learner()
    resumed.tuner.load_state_dict(straight.tuner.state_dict())
    resumed.crown(straight.champion)
    reports = [learner.run_round(rounds[1], Memory(rounds[0]), 2) for learner in (straight, resumed)]
    assert reports[0].as_json() == reports[1].as_json()
    assert_same_weights(reports[0].challenger, reports[1].challenger)


def test_the_judging_part_is_not_learned_before_it_has_judged() -> None:
    """Other labels on the judging part change nothing of the challenger that it judges."""
    entries = ready_slates(64)
    poisoned = [with_labels(e, "click", [1.0] * 10) if e.seq > 48 else e for e in entries]
    reports = [new_learner().run_round(rows, NOTHING, 1) for rows in (entries, poisoned)]
    assert_same_weights(reports[0].challenger, reports[1].challenger)


def test_the_judging_part_is_learned_afterwards() -> None:
    entries = ready_slates(64)
    learner = new_learner()
    learner.run_round(entries, NOTHING, 1)
    other = new_learner()
    other.run_round([with_labels(e, "click", [1.0] * 10) if e.seq > 48 else e for e in entries], NOTHING, 1)
    state, changed = learner.tuner.state_dict(), other.tuner.state_dict()
    assert any(not torch.equal(state[name], changed[name]) for name in state if name.startswith("ranker."))


def test_a_poisoned_burst_is_refused_and_the_champion_stays(trained: tuple[Learner, list[RoundReport]]) -> None:
    learner = new_learner()
    learner.tuner.load_state_dict(trained[0].tuner.state_dict())
    learner.crown(champion := trained[0].champion)
    assert champion is not None
    honest = ready_slates(512, 99)
    burst = [
        with_labels(e, "click", [1 - v for v in e.slate.labels["click"].values]) if e.seq <= 384 else e for e in honest
    ]
    report = learner.run_round(burst, NOTHING, 7)
    assert not report.gate.is_promoted
    assert "click is worse by " in report.gate.reason
    assert learner.champion is champion


def test_a_correction_is_learned_without_being_predicted() -> None:
    entries = ready_slates(32)
    corrected = [only(with_labels(e, "click", [0.0] * 10, revision=2), 100 + e.seq, "click") for e in entries]
    learner = new_learner()
    learner.run_round(entries, NOTHING, 1)
    steps = learner.tuner.num_steps
    report = learner.run_round(corrected, NOTHING, 2)
    assert learner.tuner.num_steps > steps
    assert (report.progressive, report.num_judged) == ({}, 0)
    assert report.gate.reason == "no rows to judge on; at least two new slates are needed"


def test_labels_of_a_later_task_are_learned_with_only_that_task() -> None:
    entries = [only(entry, entry.seq, "cart") for entry in ready_slates(32)]
    report = new_learner().run_round(entries, NOTHING, 1)
    assert {task: metrics["rows"] for task, metrics in report.progressive.items()} == {"cart": 320.0}


def test_a_label_that_is_not_finite_costs_its_step_alone() -> None:
    entries = [with_labels(e, "cart", [float("nan") if e.seq == 3 else 0.0] * 10) for e in ready_slates(64)]
    report = new_learner().run_round(entries, NOTHING, 1)
    assert report.gate.tasks["click"].rows > 0
    assert all(np.isfinite(value) for value in report.losses.values())


def test_slates_with_other_features_are_left_out_and_counted() -> None:
    entries = ready_slates(16)
    shown = entries[2].slate.shown[0]
    other = msgspec.structs.replace(shown, feature_schema="other")
    foreign = dataclasses.replace(entries[2], slate=dataclasses.replace(entries[2].slate, shown=(other,)))
    report = new_learner().run_round([*entries[:2], foreign, *entries[3:]], NOTHING, 1)
    assert (report.num_slates, report.num_skipped) == (16, 1)


def test_ids_and_attention_are_in_the_model_when_the_settings_say_so() -> None:
    settings = SETTINGS.model_copy(update={"id_rows": 64, "attention_width": 8})
    shapes = [Learner(one, SCHEMA, TASKS).tuner.ranker.learned.widths for one in (SETTINGS, settings)]
    assert shapes == [(0, 0), (16, 8)]
    learner = Learner(settings, SCHEMA, TASKS)
    report = learner.run_round(ready_slates(64), NOTHING, 1)
    assert report.num_steps_skipped == 0


def test_longer_steps_are_fewer_and_learn_every_slate() -> None:
    learner = new_learner()
    report = learner.run_round(ready_slates(128, 0), NOTHING, 1, step_slates=64)
    num_learned = report.num_slates - report.num_judged
    assert report.num_slates == 128
    assert learner.tuner.num_steps == -(-num_learned // 64) + -(-report.num_judged // 64)
