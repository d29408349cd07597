from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from models.batch import Batch
from models.task_calibration import TaskCalibration

MakeBatch = Callable[..., Batch]
ADS = 2


def shifted(make_batch: MakeBatch, seed: int, shift_of_ads: float, ads_frac: float = 0.3) -> tuple[Batch, torch.Tensor]:
    """Rows whose raw logit is -1; ads are clicked more by `shift_of_ads` in logits."""
    generator = torch.Generator().manual_seed(seed)
    batch = make_batch(seed, num_slates=200)
    is_ad = torch.rand(batch.num_rows, generator=generator) < ads_frac
    logit = torch.randn(batch.num_rows, generator=generator) - 1
    chance = (logit + shift_of_ads * is_ad).sigmoid()
    y = (torch.rand(batch.num_rows, generator=generator) < chance).float()
    mask = torch.ones_like(is_ad)
    return replace(batch, kind_N=is_ad * ADS, y={"click": y}, mask={"click": mask}), logit


def observe(made: TaskCalibration, batch: Batch, logit: torch.Tensor) -> None:
    made.observe(batch, {"click": logit}, {"click": logit.sigmoid()})


def test_each_kind_is_calibrated_on_its_own(make_batch: MakeBatch) -> None:
    made = TaskCalibration(["click"], 1e6)
    for seed in range(20):
        observe(made, *shifted(make_batch, seed, 1.0))
    shift_K = made.scale_shift_K2("click")[:, 1].tolist()
    assert shift_K[0] == pytest.approx(0.0, abs=0.12)
    assert shift_K[ADS] == pytest.approx(1.0, abs=0.12)


def test_a_kind_without_rows_borrows_from_its_task(make_batch: MakeBatch) -> None:
    made = TaskCalibration(["click"], 1e6)
    for seed in range(20):
        observe(made, *shifted(make_batch, seed, 0.8, ads_frac=1.0))
    of_task = made.platt.scale_shift_P2[0]
    assert float(of_task[1]) > 0.5
    torch.testing.assert_close(made.scale_shift_K2("click")[1], of_task)


def test_a_kind_with_few_rows_stays_near_its_task(make_batch: MakeBatch) -> None:
    made = TaskCalibration(["click"], 1e6)
    for seed in range(10):
        observe(made, *shifted(make_batch, seed, -3.0, ads_frac=0.001))
    assert made.scale_shift_K2("click")[ADS].tolist() == pytest.approx([1.0, 0.0], abs=0.35)


def test_negatives_that_are_not_final_count_as_they_are_learned(make_batch: MakeBatch) -> None:
    """All chances are .5 and half of the positives come later, as rows of their own: the end is unbiased."""
    made = TaskCalibration(["click"], 1e5)
    batch = make_batch(0, num_slates=100)
    n = batch.num_rows
    zero, everywhere = torch.zeros(n), torch.ones(n).bool()
    early = replace(batch, y={"click": zero}, mask={"click": everywhere}, is_early={"click": everywhere})
    late = replace(batch, y={"click": zero + 1}, mask={"click": torch.arange(n) % 2 == 0})
    both, zeros = Batch.concat([early, late]), torch.zeros(2 * n)
    for _ in range(60):
        _, shift = made.scale_shift_K2("click")[0]
        made.observe(both, {"click": zeros}, {"click": (zeros + shift.float()).sigmoid()})
    assert made.scale_shift_K2("click")[0, 1].item() == pytest.approx(0.0, abs=0.1)


def test_a_task_without_calibration_is_the_identity_and_can_be_reset() -> None:
    made = TaskCalibration(["click"], 1e5)
    made.reset("dwell")
    assert made.scale_shift_K2("dwell").tolist() == [[1.0, 0.0]] * 3
