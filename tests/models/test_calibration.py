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


def observe(platt: OnlinePlatt, logits: torch.Tensor, y: torch.Tensor) -> None:
    platt.observe(logits[None], y[None], torch.ones(1, len(y)))


def predict(platt: OnlinePlatt, logits: torch.Tensor) -> np.ndarray:
    scale, shift = platt.scale_shift_P2[0]
    return (scale * logits + shift).sigmoid().numpy()


def test_it_learns_the_scale_and_shift_that_generated_the_labels() -> None:
    rng, platt = np.random.default_rng(0), OnlinePlatt(1, 1e6)
    for _ in range(50):
        logits, y = rows(rng, 2000, true_shift=0.4, true_scale=1.3)
        observe(platt, logits, y)
    assert platt.scale_shift_P2[0].tolist() == pytest.approx([1.3, 0.4], abs=0.05)


def test_predictions_stay_calibrated_while_the_base_rate_drifts() -> None:
    """Each batch is predicted before it is learned; raw predictions end at less than half of the truth."""
    rng, platt = np.random.default_rng(1), OnlinePlatt(1, 20_000.0)
    calibrated, raw = [], []
    for step in range(60):
        logits, y = rows(rng, 2000, true_shift=step * 0.025)
        calibrated.append(pcoc(y.numpy(), predict(platt, logits)))
        raw.append(pcoc(y.numpy(), logits.sigmoid().numpy()))
        observe(platt, logits, y)
    assert np.mean(raw[-10:]) < 0.5
    assert np.mean(calibrated[-10:]) == pytest.approx(1.0, abs=0.15)
    assert min(calibrated[10:]) > 0.75


def test_a_calibrated_model_is_left_alone() -> None:
    rng, platt = np.random.default_rng(2), OnlinePlatt(1, 20_000.0)
    for _ in range(40):
        logits, y = rows(rng, 1000, true_shift=0.0)
        observe(platt, logits, y)
    assert platt.scale_shift_P2[0].tolist() == pytest.approx([1.0, 0.0], abs=0.1)


def test_few_rows_of_one_class_move_it_little_and_within_bounds() -> None:
    platt = OnlinePlatt(1, 20_000.0)
    observe(platt, torch.full((3,), -2.0), torch.zeros(3))
    assert platt.scale_shift_P2[0].tolist() == pytest.approx([1.0, 0.0], abs=0.2)
    for _ in range(200):
        observe(platt, torch.full((1000,), -2.0), torch.zeros(1000))
    assert bool(torch.isfinite(platt.scale_shift_P2).all())


def test_rows_without_weight_or_with_broken_logits_change_nothing() -> None:
    platt = OnlinePlatt(1, 20_000.0)
    platt.observe(torch.tensor([[1.0, torch.nan, torch.inf]]), torch.ones(1, 3), torch.tensor([[0.0, 1.0, 1.0]]))
    assert platt.scale_shift_P2[0].tolist() == [1.0, 0.0]
    assert float(platt.num_rows_P) == 0


def test_reset_forgets_everything() -> None:
    rng, platt = np.random.default_rng(3), OnlinePlatt(1, 20_000.0)
    logits, y = rows(rng, 1000, true_shift=2.0)
    observe(platt, logits, y)
    platt.reset(slice(0, 1))
    assert [b.tolist() for b in platt.buffers()] == [b.tolist() for b in OnlinePlatt(1, 20_000.0).buffers()]


def test_calibrations_side_by_side_learn_what_each_learns_alone() -> None:
    rng = np.random.default_rng(4)
    weight_PN = torch.from_numpy(rng.random((3, 500)) * (rng.random((3, 500)) < [[0.9], [0.1], [0.0]]))
    given = [rows(rng, 500, true_shift=shift) for shift in (-1.0, 0.0, 2.0)]
    logits_PN, y_PN = (torch.stack(column) for column in zip(*given, strict=True))
    y_PN[:, 0] = torch.nan
    together = OnlinePlatt(3, 1e4)
    for _ in range(3):
        together.observe(logits_PN, y_PN, weight_PN)
    for place in range(3):
        alone = OnlinePlatt(1, 1e4)
        for _ in range(3):
            alone.observe(logits_PN[place : place + 1], y_PN[place : place + 1], weight_PN[place : place + 1])
        torch.testing.assert_close(together.scale_shift_P2[place], alone.scale_shift_P2[0])
    assert together.scale_shift_P2[2].tolist() == [1.0, 0.0]
