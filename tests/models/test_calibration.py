import numpy as np
import pytest
import torch

from models.calibration import OnlinePlatt
from models.metrics import pcoc


def rows(
    rng: np.random.Generator,
    num_rows: int,
    true_shift: float,
    true_scale: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = rng.normal(-1.5, 1.0, num_rows)
    p = 1 / (1 + np.exp(-(true_scale * logits + true_shift)))
    return torch.from_numpy(logits), torch.from_numpy((rng.random(num_rows) < p).astype(float))


def predict(platt: OnlinePlatt, logits: torch.Tensor) -> np.ndarray:
    scale, shift = platt.scale_shift
    return (scale * logits + shift).sigmoid().numpy()


def test_it_learns_the_scale_and_shift_that_generated_the_labels() -> None:
    rng, platt = np.random.default_rng(0), OnlinePlatt(1e6)
    for _ in range(50):
        logits, y = rows(rng, 2000, true_shift=0.4, true_scale=1.3)
        platt.observe(logits, y, torch.ones(2000))
    assert platt.scale_shift.tolist() == pytest.approx([1.3, 0.4], abs=0.05)


def test_predictions_stay_calibrated_while_the_base_rate_drifts() -> None:
    """Each batch is predicted before it is learned; raw predictions end at less than half of the truth."""
    rng, platt = np.random.default_rng(1), OnlinePlatt(20_000.0)
    calibrated, raw = [], []
    for step in range(60):
        logits, y = rows(rng, 2000, true_shift=step * 0.025)
        calibrated.append(pcoc(y.numpy(), predict(platt, logits)))
        raw.append(pcoc(y.numpy(), logits.sigmoid().numpy()))
        platt.observe(logits, y, torch.ones(2000))
    assert np.mean(raw[-10:]) < 0.5
    assert np.mean(calibrated[-10:]) == pytest.approx(1.0, abs=0.15)
    assert min(calibrated[10:]) > 0.75


def test_a_calibrated_model_is_left_alone() -> None:
    rng, platt = np.random.default_rng(2), OnlinePlatt(20_000.0)
    for _ in range(40):
        logits, y = rows(rng, 1000, true_shift=0.0)
        platt.observe(logits, y, torch.ones(1000))
    assert platt.scale_shift.tolist() == pytest.approx([1.0, 0.0], abs=0.1)


def test_few_rows_of_one_class_move_it_little_and_within_bounds() -> None:
    platt = OnlinePlatt(20_000.0)
    platt.observe(torch.full((3,), -2.0), torch.zeros(3), torch.ones(3))
    assert platt.scale_shift.tolist() == pytest.approx([1.0, 0.0], abs=0.2)
    for _ in range(200):
        platt.observe(torch.full((1000,), -2.0), torch.zeros(1000), torch.ones(1000))
    assert bool(torch.isfinite(platt.scale_shift).all())


def test_rows_without_weight_or_with_broken_logits_change_nothing() -> None:
    platt = OnlinePlatt(20_000.0)
    platt.observe(torch.tensor([1.0, torch.nan, torch.inf]), torch.ones(3), torch.tensor([0.0, 1.0, 1.0]))
    assert platt.scale_shift.tolist() == [1.0, 0.0]
    assert float(platt.num_rows) == 0


def test_reset_forgets_everything() -> None:
    rng, platt = np.random.default_rng(3), OnlinePlatt(20_000.0)
    logits, y = rows(rng, 1000, true_shift=2.0)
    platt.observe(logits, y, torch.ones(1000))
    platt.reset()
    assert [b.tolist() for b in platt.buffers()] == [b.tolist() for b in OnlinePlatt(20_000.0).buffers()]
