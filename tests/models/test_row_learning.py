from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.batch import Batch
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.row_learning import ROWS_LEARNED_AT_ONCE
from tests.models.test_row_scoring import SHAPES, learned

MakeBatch = Callable[..., Batch]


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_and_every_gradient_equal_those_of_the_layers_one_by_one(shape: str, make_batch: MakeBatch) -> None:
    made, batch = learned(SHAPES[shape]), make_batch(1, num_slates=3, slate_size=ROWS_LEARNED_AT_ONCE // 2 - 1)
    made.observe(batch)
    expected, found = made.tail(made.first_layer(batch, made.item_side(batch.content))), made(batch)
    torch.testing.assert_close(found, expected)
    weights = {name: weight for name, weight in made.named_parameters() if not name.startswith("position")}
    weight_N = torch.randn(batch.num_rows, generator=torch.Generator().manual_seed(0))
    gradients = [
        torch.autograd.grad(
            sum((weight_N @ value.view(len(weight_N), -1)).sum() for value in logits.values()), list(weights.values())
        )
        for logits in (found, expected)
    ]
    for name, one, other in zip(weights, *gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-2, rtol=1e-3, msg=lambda words, name=name: f"{name}: {words}")


def gradients(made: Ranker, batch: Batch, weight_N: Tensor) -> list[Tensor]:
    total = sum((weight_N @ value.view(len(weight_N), -1)).sum() for value in made(batch).values())
    return list(torch.autograd.grad(total, list(made.parameters()), allow_unused=True, materialize_grads=True))


def test_rows_of_a_slate_need_not_follow_each_other(make_batch: MakeBatch) -> None:
    made, batch = learned(RankerConfig(taste_columns=0)), make_batch(2, num_slates=5, slate_size=7)
    made.observe(batch)
    generator = torch.Generator().manual_seed(0)
    order, weight_N = torch.randperm(batch.num_rows, generator=generator), torch.randn(35, generator=generator)
    rows = {name: getattr(batch, name)[order] for name in ("item_NI", "cross_NX", "slate_N", "content_N")}
    expected, found = gradients(made, batch, weight_N), gradients(made, replace(batch, **rows), weight_N[order])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_gradients_may_be_asked_for_twice(make_batch: MakeBatch) -> None:
    made, batch = learned(RankerConfig(taste_columns=0)), make_batch(2)
    total = sum(value.sum() for value in made(batch).values())
    weight = made.first.weight_OF
    first, second = (torch.autograd.grad(total, weight, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", ["experts.weight_EHD", "experts.norm_scale_ED", "tower_TDW", "heads.0.weight"])
def test_what_is_not_a_number_in_a_weight_is_in_its_outputs_and_in_gradients(name: str, make_batch: MakeBatch) -> None:
    made, batch = learned(RankerConfig(taste_columns=0)), make_batch(2)
    made.observe(batch)
    made.get_parameter(name).data.view(-1)[0] = torch.nan
    click_N = made(batch)["click"]
    assert click_N.isnan().all()
    (gradient,) = torch.autograd.grad(click_N.sum(), made.first.weight_OF)
    assert gradient.isnan().any()


def test_a_gate_that_is_not_a_number_makes_outputs_that_are_none(make_batch: MakeBatch) -> None:
    made, batch = learned(RankerConfig(taste_columns=0)), make_batch(2)
    made.observe(batch)
    made.first.weight_OF.data[made.experts.splits[0]] = torch.nan
    assert made(batch)["click"].isnan().all()
