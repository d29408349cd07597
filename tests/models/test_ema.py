import pytest
import torch

from models.ema import WeightAverage


def test_the_average_of_one_update_is_the_weights_and_not_their_start() -> None:
    average = WeightAverage({"w": torch.tensor([100.0])}, decay=0.99)
    average.update({"w": torch.tensor([3.0])})
    assert float(average.average({})["w"]) == pytest.approx(3.0)


def test_updates_weigh_less_the_older_they_are() -> None:
    average = WeightAverage({"w": torch.zeros(1)}, decay=0.5)
    for value in (1.0, 2.0, 4.0):
        average.update({"w": torch.tensor([value])})
    assert float(average.average({})["w"]) == pytest.approx((1 * 0.25 + 2 * 0.5 + 4 * 1) / 1.75)


def test_a_shift_moves_the_average_by_as_much() -> None:
    average = WeightAverage({"w": torch.zeros(1)}, decay=0.9)
    for value in (1.0, 2.0):
        average.update({"w": torch.tensor([value])})
    before = float(average.average({})["w"])
    average.shift("w", torch.tensor([5.0]))
    assert float(average.average({})["w"]) == pytest.approx(before + 5)


def test_before_any_update_the_weights_themselves_are_copied() -> None:
    weight = torch.tensor([2.0])
    copied = WeightAverage({"w": weight}, decay=0.9).average({"w": weight})
    weight.add_(1)
    assert copied["w"].tolist() == [2.0]
