"""What a site may send does not stop the trainer, and does not become a model: poison, gaps, and nothing at all."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest
import torch

from models.finetune import FineTuneConfig, FineTuner
from models.task_outputs import output_rows
from models.tasks import DEFAULT_TASKS
from streams.examples.records import encode_array
from streams.settings import TrainingSettings
from streams.training.buffered_slate import ReadySlate, TaskLabels
from streams.training.examples_to_batch import to_batch
from streams.training.judged_rows import predict
from streams.training.learner import Learner, RoundReport
from tests.training.taste_world import SCHEMA, SLATE_SIZE, ready_slates, with_labels

TASKS = DEFAULT_TASKS[:3]
PER_ROUND, NUM_HONEST = 256, 4


def no_replay(num: int, rng: np.random.Generator) -> list[ReadySlate]:
    return []


@pytest.fixture(scope="module")
def honest() -> dict[str, torch.Tensor]:
    """The state of a learner after some honest rounds."""
    learner = Learner(TrainingSettings(device="cpu", seed=1), SCHEMA, TASKS)
    for number in range(1, NUM_HONEST + 1):
        learner.run_round(ready_slates(PER_ROUND, number), no_replay, number)
    return learner.tuner.state_dict()


def next_round(honest: dict[str, torch.Tensor], entries: list[ReadySlate]) -> tuple[Learner, RoundReport]:
    learner = Learner(TrainingSettings(device="cpu", seed=1), SCHEMA, TASKS)
    learner.tuner.load_state_dict(honest)
    learner.crown(learner.tuner.serving_model())
    return learner, learner.run_round(entries, no_replay, NUM_HONEST + 1)


@pytest.mark.parametrize("burst", ["flipped", "all clicked"])
def test_a_challenger_that_learned_a_poisoned_burst_is_refused_with_task_amount_and_rows(
    honest: dict[str, torch.Tensor], burst: str
) -> None:
    """The burst fills the part that is learned; the newest quarter is honest again."""
    entries = [
        with_labels(e, "click", [1.0 if burst == "all clicked" else 1 - v for v in e.slate.labels["click"].values])
        if e.seq <= PER_ROUND * 3 // 4
        else e
        for e in ready_slates(PER_ROUND, 9)
    ]
    learner, report = next_round(honest, entries)
    click = report.gate.newest["click"]
    assert not report.gate.is_promoted
    assert click.surely_above > 0.001
    assert (
        f"click is worse by {click.change:.4f} normalised entropy on {PER_ROUND // 4 * SLATE_SIZE} rows"
        in report.gate.reason
    )
    assert report.live.restored is False
    assert learner.champion is not None


def test_the_same_round_without_the_burst_is_promoted(honest: dict[str, torch.Tensor]) -> None:
    _, report = next_round(honest, ready_slates(PER_ROUND, 9))
    assert (report.gate.is_promoted, report.gate.reason) == (True, "no task is worse beyond noise")


@pytest.mark.parametrize("tasks", [("click",), ("click", "cart"), ("cart",)])
def test_labels_that_are_missing_or_all_negative_give_finite_losses(tasks: tuple[str, ...]) -> None:
    entries = [with_labels(e, "click", [0.0] * SLATE_SIZE) for e in ready_slates(32, tasks=("click", "dwell", "cart"))]
    entries = [dataclasses.replace(e, tasks=tasks) for e in entries]
    tuner = FineTuner(FineTuneConfig(), SCHEMA, TASKS, device="cpu", seed=1)
    for _ in range(3):
        losses = tuner.learn(to_batch(entries, SCHEMA, TASKS).batch)
        assert losses
        assert all(math.isfinite(loss) for loss in losses.values())
        assert losses["dwell"] == 0.0
        assert ("click" in tasks) == (losses["click"] > 0)
    assert tuner.num_skipped == 0
    assert all(bool(torch.isfinite(weight).all()) for weight in tuner.weights.values())


def test_a_task_without_a_label_keeps_its_head_as_it_was() -> None:
    entries = [dataclasses.replace(e, tasks=("click",)) for e in ready_slates(32)]
    tuner = FineTuner(FineTuneConfig(weight_decay=0.0), SCHEMA, TASKS, device="cpu", seed=1)
    before = {name: tuner.weights[name][rows].clone() for name, rows in output_rows(tuner.ranker, "dwell").items()}
    tuner.learn(to_batch(entries, SCHEMA, TASKS).batch)
    assert [name for name, rows in output_rows(tuner.ranker, "dwell").items()
            if not torch.equal(tuner.weights[name][rows], before[name])] == []  # fmt: skip


def test_rows_of_which_nothing_is_known_are_scored_and_learned_finitely(honest: dict[str, torch.Tensor]) -> None:
    """Items never seen before, and every feature missing."""
    entries = []
    for entry in ready_slates(64, 10):
        shown = entry.slate.shown[0]
        widths = {"user": (1, len(SCHEMA.user)), "item": (SLATE_SIZE, len(SCHEMA.item)),
                  "cross": (SLATE_SIZE, len(SCHEMA.cross))}  # fmt: skip
        gaps = {name: encode_array(np.full(shape, np.nan, np.float32)) for name, shape in widths.items()}
        items = [f"unknown-{entry.seq}-{k}" for k in range(SLATE_SIZE)]
        bare = msgspec.structs.replace(shown, items=items, **gaps)
        labels = {"click": TaskLabels(1, items, entry.slate.labels["click"].values)}
        slate = dataclasses.replace(entry.slate, shown=(bare,), labels=labels)
        entries.append(dataclasses.replace(entry, slate=slate, tasks=("click",)))
    learner, report = next_round(honest, entries)
    assert (report.num_steps_skipped, report.num_skipped) == (0, 0)
    assert all(math.isfinite(loss) for loss in report.losses.values())
    found = predict(learner.tuner.serving_model(), to_batch(entries, SCHEMA, TASKS).batch)
    assert {task: bool(np.isfinite(p_N).all()) for task, p_N in found.items()} == dict.fromkeys(found, True)
