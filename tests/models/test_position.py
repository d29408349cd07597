import dataclasses
from collections.abc import Callable

import pytest
import torch

from models.batch import Batch
from models.finetune import FineTuner
from models.metrics import pcoc
from models.position import PositionLogit

MakeBatch = Callable[..., Batch]


def trained(num_seen: list[int]) -> PositionLogit:
    position = PositionLogit(3, 1)
    torch.nn.init.zeros_(position.logit_PT)
    with torch.no_grad():
        position.logit_PT[:3, 0] = torch.tensor([1.0, 0.0, -1.0])
    places = torch.repeat_interleave(torch.arange(3), torch.tensor(num_seen))
    position.observe(places, torch.zeros_like(places))
    return position


def test_the_logit_is_zero_on_average_over_the_rows_seen() -> None:
    """Else the base rate could hide in it, and predictions made without it would be off."""
    position = trained([2, 1, 1])
    seen = torch.tensor([0, 0, 1, 2])
    logits = position(seen, torch.zeros(4).long()).flatten()
    assert logits.tolist() == [0.75, 0.75, -0.25, -1.25]
    assert float(logits.sum().detach()) == 0


def test_later_places_share_the_last_logit_and_kinds_do_not_mix() -> None:
    position = trained([1, 1, 1])
    assert position(torch.tensor([2, 99]), torch.tensor([0, 0])).flatten().tolist() == [-1.0, -1.0]
    assert position(torch.tensor([0, 0]), torch.tensor([1, 2])).flatten().tolist() == [0.0, 0.0]


def test_the_effect_of_position_is_learned_apart_and_left_out_when_serving(
    tuner: FineTuner,
    make_batch: MakeBatch,
) -> None:
    """Rows are placed at random, so what the first places gain must not be credited to what they show."""

    def biased(seed: int, num_slates: int = 64) -> Batch:
        batch = make_batch(seed, num_slates)
        logit = 1.5 * batch.item_NI[:, 0] - 1.0 - 0.25 * batch.position_N
        click = (torch.rand(len(logit), generator=torch.Generator().manual_seed(seed)) < logit.sigmoid()).float()
        known = torch.ones(len(click)).bool()
        return dataclasses.replace(
            batch, y={"click": click}, mask={"click": known}, kind_N=torch.zeros_like(batch.kind_N)
        )

    for step in range(250):
        tuner.learn(biased(step))
    place = torch.arange(12)
    learned = tuner.ranker.position(place, torch.zeros_like(place))[:, 0].detach()
    slope = torch.corrcoef(torch.stack([learned, -place.float()]))[0, 1]
    assert float(slope) > 0.95
    new = biased(9999, num_slates=500)
    served = tuner.serving_model().predict(new)["click"]
    assert pcoc(new.y["click"].numpy(), served.numpy()) == pytest.approx(1.0, abs=0.2)
    first, last = served[new.position_N == 0].mean(), served[new.position_N == 11].mean()
    assert float(first) == pytest.approx(float(last), rel=0.1)
