import dataclasses
from collections.abc import Callable

import pytest
import torch

from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.finetune import FineTuneConfig, FineTuner
from models.ranker_config import RankerConfig
from models.tasks import DEFAULT_TASKS
from models.threshold_refit import interpolation

MakeBatch = Callable[..., Batch]


def test_interpolation_is_the_identity_on_the_same_thresholds() -> None:
    thresholds = torch.tensor([2.0, 5.0, 10.0])
    torch.testing.assert_close(interpolation(thresholds, thresholds), torch.eye(3))


def test_interpolation_is_linear_in_log_time_and_flat_outside() -> None:
    old = torch.tensor([1.0, 3.0]) * 2 - 1  # log1p: ln 2, ln 6
    middle = float(torch.tensor(12.0).sqrt()) - 1
    found = interpolation(old, torch.tensor([0.5, middle, 100.0]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))


def tuner_after(schema: FeatureSchema, make_batch: MakeBatch, num_steps: int) -> FineTuner:
    tuner = FineTuner(FineTuneConfig(), schema, DEFAULT_TASKS, device="cpu", seed=0)
    for step in range(num_steps):
        tuner.learn(make_batch(step, num_slates=32))
    return tuner


def test_thresholds_move_to_the_quantiles_once_and_then_stay(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    tuner = tuner_after(schema, make_batch, 5)
    recent = tuner.recent_dwell_s["dwell"]
    assert tuner.refit()
    shares = (recent.unsqueeze(1) > tuner.ranker.scale("dwell").threshold_s_K).float().mean(0)
    assert shares.tolist() == pytest.approx([1 - k / 9 for k in range(1, 9)], abs=0.01)
    assert not tuner.refit()


def test_too_few_visits_move_nothing(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    tuner = FineTuner(FineTuneConfig(), schema, DEFAULT_TASKS, device="cpu", seed=0)
    tuner.learn(make_batch(0, num_slates=2))
    assert not tuner.refit()


def test_visits_that_go_on_say_nothing_about_the_length_of_visits(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    batch = make_batch(0, num_slates=100)
    open_visits = batch.mask["dwell"] & (torch.arange(batch.num_rows) % 2 == 0)
    tuner = FineTuner(FineTuneConfig(), schema, DEFAULT_TASKS, device="cpu", seed=0)
    tuner.learn(dataclasses.replace(batch, censored=open_visits))
    ended = batch.y["dwell"][batch.mask["dwell"] & ~open_visits]
    assert tuner.recent_dwell_s["dwell"].tolist() == ended.tolist()


def test_what_the_head_predicts_survives_a_move_of_its_thresholds(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    """Without carrying over, the prediction for a visit of twice the length would be off until relearned."""
    tuner = tuner_after(schema, make_batch, 120)
    new = make_batch(999, num_slates=100)
    before = tuner.serving_model().predict(new)
    assert tuner.refit()
    after = tuner.serving_model().predict(new)
    clicked = new.mask["dwell"]
    log_before = (before["dwell"] / before["click"])[clicked]
    log_after = (after["dwell"] / after["click"])[clicked]
    assert float(torch.corrcoef(torch.stack([log_before, log_after]))[0, 1]) > 0.98
    assert float(log_after.mean()) == pytest.approx(float(new.y["dwell"][clicked].log1p().mean()), rel=0.05)


def test_thresholds_that_were_far_off_are_right_on_average_at_once(
    schema: FeatureSchema,
    make_batch: MakeBatch,
) -> None:
    far = FineTuneConfig(ranker=RankerConfig(threshold_s=tuple(500.0 * k for k in range(1, 9))))
    tuner = FineTuner(far, schema, DEFAULT_TASKS, device="cpu", seed=0)
    for step in range(10):
        tuner.learn(make_batch(step, num_slates=32))
    assert tuner.refit()
    new = make_batch(999, num_slates=200)
    found = tuner.serving_model().predict(new)
    clicked = new.mask["dwell"]
    expected_log = (found["dwell"] / found["click"])[clicked].mean()
    assert float(expected_log) == pytest.approx(float(new.y["dwell"][clicked].log1p().mean()), rel=0.05)
