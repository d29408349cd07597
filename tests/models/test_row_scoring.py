from collections.abc import Callable

import pytest
import torch

from models.batch import Batch
from models.inputs import RankerInputs
from models.kinds import kinds
from models.predictions import as_predictions
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.row_scoring import ROWS_AT_ONCE
from models.tasks import DEFAULT_TASKS
from tests.models.conftest import SCHEMA

MakeBatch = Callable[..., Batch]
SHAPES = {
    "gated": RankerConfig(taste_columns=0),
    "mmoe": RankerConfig(taste_columns=0, architecture="mmoe", num_shared_experts=2, expert_hidden=6, expert_width=5),
    "compact": RankerConfig.compact(),
}


def learned(config: RankerConfig) -> Ranker:
    """Every weight random, also those of norms and biases."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        made = Ranker(config, SCHEMA, DEFAULT_TASKS)
        for weight in made.parameters():
            torch.nn.init.normal_(weight, std=0.4)
    return made.eval()


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_equal_those_of_the_layers_that_learn(shape: str, make_batch: MakeBatch) -> None:
    made, batch = learned(SHAPES[shape]), make_batch(1, num_slates=3, slate_size=ROWS_AT_ONCE // 2 - 1)
    made.observe(batch)
    expected = as_predictions(made, made(batch), kinds(made.schema, batch.item_NI))
    for task, found_N in made.predict(batch).items():
        torch.testing.assert_close(found_N, expected[task].detach())


def test_in_bfloat16_the_best_rows_stay_the_best(make_batch: MakeBatch) -> None:
    made, batch = learned(RankerConfig(taste_columns=0)), make_batch(4, num_slates=1, slate_size=200)
    made.observe(batch)
    exact = made.predict(batch)["click"]
    made.freeze(torch.bfloat16)
    rounded = made.predict(batch)["click"]
    assert not torch.equal(exact, rounded)
    assert set(exact.topk(10).indices.tolist()) == set(rounded.topk(10).indices.tolist())
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0)


def test_rows_may_be_of_any_slate_in_any_order(make_batch: MakeBatch) -> None:
    made, batch = learned(RankerConfig(taste_columns=0)), make_batch(2, num_slates=5, slate_size=7)
    made.observe(batch)
    order = torch.randperm(batch.num_rows, generator=torch.Generator().manual_seed(0))
    mixed = RankerInputs.plain(batch.user_SU, batch.item_NI[order], batch.cross_NX[order], batch.slate_N[order])
    expected = made.predict(batch)
    for task, found_N in made.predict(mixed).items():
        torch.testing.assert_close(found_N, expected[task][order])


def test_no_rows_have_no_scores() -> None:
    made, widths = learned(RankerConfig(taste_columns=0)), (SCHEMA.user, SCHEMA.item, SCHEMA.cross)
    user_SU, item_NI, cross_NX = (torch.zeros(num, len(names)) for num, names in zip((2, 0, 0), widths, strict=True))
    none = made.predict(RankerInputs.plain(user_SU, item_NI, cross_NX, torch.zeros(0, dtype=torch.int64)))
    assert {task: len(found_N) for task, found_N in none.items()} == {task.name: 0 for task in DEFAULT_TASKS}
