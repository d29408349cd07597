import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from models.batch import Batch
from models.experts import Architecture
from models.feature_schema import FeatureSchema
from models.inputs import RankerInputs
from models.kinds import kinds
from models.ordinal import survival
from models.predictions import as_predictions
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.row_scoring import ROWS_AT_ONCE
from models.task_outputs import visits
from models.tasks import DEFAULT_TASKS

MakeBatch = Callable[..., Batch]


def test_logits_are_one_per_row_and_eight_for_dwell(ranker: Ranker, make_batch: MakeBatch) -> None:
    logits = ranker(make_batch(0, 2, 3))
    assert {name: tuple(value.shape) for name, value in logits.items()} == {
        "click": (6,),
        "dwell": (6, 8),
        "cart": (6,),
        "order": (6,),
        "order_cancelled": (6,),
        "dislike": (6,),
        "quick_back": (6,),
    }


def test_a_row_scores_the_same_alone_and_among_others(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(1)
    ranker.observe(batch)
    together = ranker.predict(batch)
    row = 17
    alone = ranker.predict(
        RankerInputs.plain(
            batch.user_SU[batch.slate_N[row : row + 1]],
            batch.item_NI[row : row + 1],
            batch.cross_NX[row : row + 1],
            torch.zeros(1, dtype=torch.int64),
        )
    )
    for name, value in together.items():
        torch.testing.assert_close(value[row : row + 1], alone[name])


def test_scoring_in_chunks_equals_scoring_at_once(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(2, num_slates=3, slate_size=ROWS_AT_ONCE // 2)
    at_once = as_predictions(ranker, ranker(batch), kinds(ranker.schema, batch.item_NI))
    for name, value in ranker.predict(batch).items():
        torch.testing.assert_close(value, at_once[name].detach())


def test_no_rows_give_no_predictions(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(3, 1, 1)
    none = batch.user_SU, batch.item_NI[:0], batch.cross_NX[:0], batch.slate_N[:0]
    empty = ranker.predict(RankerInputs.plain(*none))
    assert {name: len(value) for name, value in empty.items()} == {task.name: 0 for task in DEFAULT_TASKS}


def test_position_moves_the_logits_of_heads_while_learning_and_nothing_when_serving(
    ranker: Ranker, make_batch: MakeBatch
) -> None:
    """A cart's own shift comes before the product with the click, whose shift it inherits."""
    batch = make_batch(4)
    ranker.observe(batch)
    first_NO = ranker.first_layer(batch, ranker.item_side(batch.content))
    serving, learning = ranker(batch), ranker(batch, position_N=batch.position_N, kind_N=batch.kind_N)
    shift_NT = ranker.position(batch.position_N, batch.kind_N)
    torch.testing.assert_close(serving, ranker.tail(first_NO))
    torch.testing.assert_close(learning["click"], serving["click"] + shift_NT[:, 0])
    torch.testing.assert_close(learning["dwell"], serving["dwell"] + shift_NT[:, 1:2])
    p_cart_given_click = serving["cart"].sigmoid() / serving["click"].sigmoid()
    shifted = (p_cart_given_click.logit() + shift_NT[:, 2]).sigmoid()
    torch.testing.assert_close(learning["cart"].sigmoid(), shifted * learning["click"].sigmoid(), rtol=1e-4, atol=1e-6)
    assert float(shift_NT.detach().abs().max()) > 0.1


def test_predictions_are_per_shown_item(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(5)
    logits = ranker(batch)
    found = ranker.predict(batch)
    p_click = functional.sigmoid(logits["click"])
    torch.testing.assert_close(found["click"], p_click.detach())
    expected = p_click * ranker.scale("dwell").expected_log_s(survival(logits["dwell"]))
    torch.testing.assert_close(found["dwell"], expected.detach())


def test_the_outlook_of_visits_is_what_the_dwell_prediction_is_made_of(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(5)
    logits, found = ranker(batch), ranker.predict(batch)
    outlook = visits(ranker, logits, "dwell", long_s=10.0)
    torch.testing.assert_close(found["dwell"], (found["click"] * outlook.log_seconds_N).detach())
    torch.testing.assert_close(outlook.long_N, survival(logits["dwell"])[:, 2])
    torch.testing.assert_close(outlook.seconds_N, ranker.scale("dwell").expected_s(survival(logits["dwell"])))


def test_calibration_scales_and_shifts_a_binary_tasks_logits(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(6)
    logits = ranker(batch)
    ranker.platt_TK2[2] = torch.tensor([0.5, -1.0])
    found = ranker.predict(batch)
    torch.testing.assert_close(found["cart"], functional.sigmoid(0.5 * logits["cart"] - 1.0).detach())
    torch.testing.assert_close(found["click"], functional.sigmoid(logits["click"]).detach())


def test_an_untrained_task_is_a_constant_given_its_task_and_cannot_disturb_an_order(
    schema: FeatureSchema,
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(7)
    fresh = Ranker(RankerConfig(), schema, DEFAULT_TASKS)
    fresh.observe(batch)
    found = {name: value.unique().tolist() for name, value in fresh.predict(batch).items() if name != "dwell"}
    assert found == {
        "click": [pytest.approx(0.05)],
        "cart": [pytest.approx(0.05**2)],
        "order": [pytest.approx(0.05**3)],
        "order_cancelled": [pytest.approx(0.05**4)],
        "dislike": [pytest.approx(0.05)],
        "quick_back": [pytest.approx(0.05**2)],
    }


@pytest.mark.parametrize("architecture", ["gated", "mmoe", "shared_bottom"])
def test_every_architecture_gives_every_parameter_a_gradient(
    schema: FeatureSchema,
    make_batch: MakeBatch,
    architecture: Architecture,
) -> None:
    torch.manual_seed(0)
    made = Ranker(RankerConfig(architecture=architecture), schema, DEFAULT_TASKS)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    batch = make_batch(8)
    made.observe(batch)
    logits = made(batch, position_N=batch.position_N, kind_N=batch.kind_N)
    sum(value.square().sum() for value in logits.values()).backward()
    without = [name for name, weight in made.named_parameters() if weight.grad is None or not weight.grad.any()]
    # Of the taste layer, when somebody has answered something: test_ranker_taste.py.
    assert [name for name in without if not name.startswith("taste")] == []


def test_tasks_that_do_not_fit_each_other_are_refused(schema: FeatureSchema) -> None:
    with pytest.raises(ValueError, match="task order is given 'cart'; the tasks are click, order"):
        Ranker(RankerConfig(), schema, [DEFAULT_TASKS[0], DEFAULT_TASKS[3]])


def test_predictions_down_a_chain_multiply(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(9)
    logits, found = ranker(batch), ranker.predict(batch)
    cancelled = logits["order_cancelled"].sigmoid() * logits["order"].sigmoid()
    torch.testing.assert_close(found["order_cancelled"], cancelled.detach())
    assert bool((found["order"] <= found["cart"]).all())
    assert bool((found["cart"] <= found["click"]).all())


def test_seconds_learned_by_regression_are_predicted_as_log_seconds_never_below_zero(
    schema: FeatureSchema, make_batch: MakeBatch
) -> None:
    dwell = dataclasses.replace(DEFAULT_TASKS[1], loss="huber")
    made = Ranker(RankerConfig(), schema, [DEFAULT_TASKS[0], dwell])
    torch.nn.init.constant_(made.get_parameter("heads.1.bias"), 3.0)
    batch = make_batch(10)
    torch.testing.assert_close(made.predict(batch)["dwell"], torch.full((batch.num_rows,), 3.0 * 0.05))
    torch.nn.init.constant_(made.get_parameter("heads.1.bias"), -3.0)
    assert float(made.predict(batch)["dwell"].abs().max()) == 0
