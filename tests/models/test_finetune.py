import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.finetune import FineTuneConfig, FineTuner
from models.metrics import auc, pcoc, xauc
from models.objective import ObjectiveConfig
from models.tasks import DEFAULT_TASKS

CONFIG = FineTuneConfig()

MakeBatch = Callable[..., Batch]


@pytest.fixture(scope="module")
def trained(schema: FeatureSchema, make_batch: MakeBatch) -> FineTuner:
    made = FineTuner(CONFIG, schema, DEFAULT_TASKS, device="cpu", seed=3)
    for step in range(150):
        made.predict_then_calibrate(make_batch(step, num_slates=32))
        made.learn(make_batch(step, num_slates=32))
        made.refit()
    return made


def with_label(batch: Batch, task: str, value: float) -> Batch:
    y = {**batch.y, task: torch.full_like(batch.weight_N, value)}
    return dataclasses.replace(batch, y=y, mask={**batch.mask, task: torch.ones(batch.num_rows).bool()})


def assert_same_state(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_it_learns_the_taste_of_the_world_and_is_calibrated_on_new_rows(
    trained: FineTuner,
    make_batch: MakeBatch,
) -> None:
    new = make_batch(10_000, num_slates=400)
    found = trained.serving_model().predict(new)
    click, p_click = new.y["click"].numpy(), found["click"].numpy()
    oracle = (1.5 * new.item_NI[:, 0] + 1.5 * new.cross_NX[:, 0]).numpy()
    assert auc(click, p_click) > auc(click, oracle) - 0.01
    assert pcoc(click, p_click) == pytest.approx(1.0, abs=0.1)
    assert pcoc(new.y["cart"].numpy(), found["cart"].numpy()) == pytest.approx(1.0, abs=0.25)


def test_the_dwell_head_orders_visits_and_is_unbiased(trained: FineTuner, make_batch: MakeBatch) -> None:
    new = make_batch(10_001, num_slates=400)
    clicked = new.mask["dwell"]
    found = trained.serving_model().predict(new)
    expected_log = (found["dwell"] / found["click"])[clicked].numpy()
    observed = new.y["dwell"][clicked].numpy()
    assert xauc(observed, expected_log) > xauc(observed, new.cross_NX[clicked][:, 1].numpy()) - 0.02
    assert expected_log.mean() == pytest.approx(np.log1p(observed).mean(), rel=0.05)


def test_the_same_seed_gives_the_same_weights_whatever_torch_was_seeded_with(
    schema: FeatureSchema,
    make_batch: MakeBatch,
) -> None:
    states = []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        made = FineTuner(CONFIG, schema, DEFAULT_TASKS, device="cpu", seed=5)
        made.learn(make_batch(0))
        states.append(made.state_dict())
    assert_same_state(*states)
    other = FineTuner(CONFIG, schema, DEFAULT_TASKS, device="cpu", seed=6)
    assert not torch.equal(other.state_dict()["ranker.first.weight_OF"], states[0]["ranker.first.weight_OF"])


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    def work(tuner: FineTuner, steps: range) -> None:
        for step in steps:
            tuner.predict_then_calibrate(make_batch(step))
            tuner.learn(make_batch(step))
            tuner.refit()

    straight = FineTuner(CONFIG, schema, DEFAULT_TASKS, device="cpu", seed=1)
    work(straight, range(12))
    first = FineTuner(CONFIG, schema, DEFAULT_TASKS, device="cpu", seed=1)
    work(first, range(7))
    resumed = FineTuner(CONFIG, schema, DEFAULT_TASKS, device="cpu", seed=99)
    resumed.load_state_dict(first.state_dict())
    work(resumed, range(7, 12))
    assert_same_state(resumed.state_dict(), straight.state_dict())
    assert_same_state(resumed.serving_model().state_dict(), straight.serving_model().state_dict())


def test_a_state_of_another_model_is_refused(tuner: FineTuner, schema: FeatureSchema) -> None:
    other = FineTuner(
        dataclasses.replace(CONFIG, ranker=dataclasses.replace(CONFIG.ranker, tower_width=8)),
        schema,
        DEFAULT_TASKS,
        device="cpu",
    )
    with pytest.raises(ValueError, match=r"trainer state without a fitting .*tower"):
        tuner.load_state_dict(other.state_dict())


@pytest.mark.parametrize("task", ["click", "dwell"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_batch_with_a_label_that_is_not_finite_changes_nothing_and_is_counted(
    tuner: FineTuner,
    make_batch: MakeBatch,
    task: str,
    value: float,
) -> None:
    tuner.learn(make_batch(0))
    before = tuner.state_dict()
    assert tuner.learn(with_label(make_batch(1), task, value)) == {}
    after = tuner.state_dict()
    assert int(after.pop("count.skipped")) == int(before.pop("count.skipped")) + 1
    assert_same_state(after, before)


def test_a_loss_that_overflows_changes_no_weight(tuner: FineTuner, make_batch: MakeBatch) -> None:
    tuner.learn(make_batch(0))
    before = {name: weight.detach().clone() for name, weight in tuner.weights.items()}
    batch = make_batch(1)
    assert tuner.learn(dataclasses.replace(batch, weight_N=torch.full_like(batch.weight_N, 3e38))) == {}
    assert tuner.num_skipped == 1
    assert [name for name, weight in tuner.weights.items() if not torch.equal(weight, before[name])] == []


def test_missing_features_do_not_stop_learning(tuner: FineTuner, make_batch: MakeBatch) -> None:
    batch = make_batch(0)
    batch.item_NI[:, 3] = torch.nan
    batch.user_SU[0] = torch.inf
    losses = tuner.learn(batch)
    assert all(math.isfinite(value) for value in losses.values())
    assert tuner.num_skipped == 0


def test_a_batch_without_any_label_costs_zero_and_is_no_nan(tuner: FineTuner, make_batch: MakeBatch) -> None:
    batch = make_batch(0)
    empty = dataclasses.replace(batch, mask={name: torch.zeros_like(mask) for name, mask in batch.mask.items()})
    losses = tuner.learn(empty)
    assert losses["total"] == 0
    assert losses["gradient_norm"] == 0


def test_a_task_without_labels_stays_a_constant_given_its_task_while_others_learn(
    trained: FineTuner, make_batch: MakeBatch
) -> None:
    batch = make_batch(0)
    found = {name: logit.sigmoid() for name, logit in trained.serving_model()(batch).items()}
    for rate in (found["dislike"], found["order"] / found["cart"]):
        assert float(rate.max() - rate.min()) < 1e-3


def test_labels_that_come_late_start_their_head_in_the_average_too(tuner: FineTuner, make_batch: MakeBatch) -> None:
    """Orders may come days after the first clicks, when the average is long full of the head's start."""
    for step in range(30):
        tuner.learn(make_batch(step))
    batch = make_batch(99, num_slates=100)
    rare = (torch.arange(batch.num_rows) % 300 == 0).float()
    known = torch.ones(batch.num_rows).bool()
    tuner.learn(dataclasses.replace(batch, y={"order": rare}, mask={"order": known}))
    found = tuner.serving_model().predict(batch)["order"]
    # Left to steps it would be near START_LOGIT, a rate of .05 given a cart in place of .06.
    assert float(found.mean()) == pytest.approx(1 / 300, rel=0.6)


def test_calibration_of_a_head_before_its_start_is_forgotten(tuner: FineTuner, make_batch: MakeBatch) -> None:
    """It corrected a constant; on top of the started head it would correct twice."""
    first = make_batch(0, num_slates=200)
    tuner.predict_then_calibrate(first)
    tuner.learn(first)
    new = make_batch(1, num_slates=200)
    found = tuner.predict_then_calibrate(new)
    assert pcoc(new.y["click"].numpy(), found["click"].numpy()) == pytest.approx(1.0, abs=0.15)


def test_a_head_starts_from_the_rate_of_its_first_labels(tuner: FineTuner, make_batch: MakeBatch) -> None:
    """The serving model too: a rare task would need thousands of steps to get there."""
    first = make_batch(0, num_slates=100)
    rare = (torch.arange(first.num_rows) % 300 == 0).float()
    known = torch.ones(first.num_rows).bool()
    tuner.learn(dataclasses.replace(first, y={"order": rare}, mask={"order": known}))
    found = tuner.serving_model().predict(first)["order"]
    assert float(found.mean()) == pytest.approx(1 / 300, rel=0.5)


def test_a_head_whose_first_labels_had_no_positive_starts_again_from_its_first_positives(
    tuner: FineTuner, make_batch: MakeBatch
) -> None:
    """What is rare comes after its first zeros: a start near never would take thousands of steps to leave."""
    for step in range(6):
        batch = make_batch(step, num_slates=40)
        known, none = torch.ones(batch.num_rows).bool(), torch.zeros(batch.num_rows)
        few = (torch.arange(batch.num_rows) % 10 == 0).float() if step == 5 else none
        y, mask = {**batch.y, "dislike": few}, {**batch.mask, "dislike": known}
        tuner.learn(dataclasses.replace(batch, y=y, mask=mask))
    found = tuner.serving_model().predict(batch)["dislike"]
    assert float(found.mean()) == pytest.approx(1 / 60, rel=0.3)


def test_the_serving_model_is_an_average_that_later_steps_leave_alone(tuner: FineTuner, make_batch: MakeBatch) -> None:
    for step in range(5):
        tuner.learn(make_batch(step))
    served = tuner.serving_model()
    before = {name: value.clone() for name, value in served.state_dict().items()}
    assert not torch.equal(served.first.weight_OF, tuner.ranker.first.weight_OF)
    assert not served.training
    tuner.learn(make_batch(6))
    tuner.predict_then_calibrate(make_batch(7))
    assert_same_state(served.state_dict(), before)


def test_predictions_come_before_the_batch_is_used_for_calibration(tuner: FineTuner, make_batch: MakeBatch) -> None:
    tuner.learn(make_batch(0))
    batch = make_batch(1)
    expected = tuner.serving_model().predict(batch)
    first = tuner.predict_then_calibrate(batch)
    second = tuner.predict_then_calibrate(batch)
    torch.testing.assert_close(first["click"], expected["click"])
    assert not torch.equal(first["click"], second["click"])


def test_distillation_keeps_the_student_nearer_to_the_champion(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    def distance(weight: float) -> float:
        config = dataclasses.replace(CONFIG, objective=ObjectiveConfig(distillation_weight=weight))
        champion = FineTuner(config, schema, DEFAULT_TASKS, device="cpu", seed=0)
        for step in range(40):
            champion.learn(make_batch(step))
        student = FineTuner(config, schema, DEFAULT_TASKS, device="cpu", seed=0)
        student.load_state_dict(champion.state_dict())
        student.teacher = champion.serving_model()
        for step in range(30):
            student.learn(with_label(make_batch(100 + step), "click", 0.0))
        new = make_batch(999)
        before, after = student.teacher.predict(new), student.serving_model().predict(new)
        return float((before["click"] - after["click"]).abs().mean())

    assert distance(2.0) < 0.7 * distance(0.0)
