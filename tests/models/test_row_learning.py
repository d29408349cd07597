from collections.abc import Callable

import pytest
import torch

from models.batch import Batch
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
