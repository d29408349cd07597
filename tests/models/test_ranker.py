import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from models.batch import Batch
from models.experts import Architecture
from models.feature_schema import FeatureSchema
from models.inputs import RankerInputs
from models.ordinal import survival
from models.ranker import ROWS_AT_ONCE, Ranker, RankerConfig
from models.tasks import DEFAULT_TASKS

MakeBatch = Callable[..., Batch]


def test_logits_are_one_per_row_and_eight_for_dwell(ranker: Ranker, make_batch: MakeBatch) -> None:
    logits = ranker(make_batch(0, 2, 3))
    assert {name: tuple(value.shape) for name, value in logits.items()} == {
        "click": (6,),
        "dwell": (6, 8),
        "cart": (6,),
        "order": (6,),
        "dislike": (6,),
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
    at_once = ranker.predictions(ranker(batch), ranker.kinds(batch.item_NI))
    for name, value in ranker.predict(batch).items():
        torch.testing.assert_close(value, at_once[name].detach())


def test_no_rows_give_no_predictions(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(3, 1, 1)
    none = batch.user_SU, batch.item_NI[:0], batch.cross_NX[:0], batch.slate_N[:0]
    empty = ranker.predict(RankerInputs.plain(*none))
    assert {name: len(value) for name, value in empty.items()} == {task.name: 0 for task in DEFAULT_TASKS}


def test_position_moves_logits_while_learning_and_nothing_when_serving(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(4)
    ranker.observe(batch)
    serving = ranker(batch)
    learning = ranker(batch, position_N=batch.position_N, kind_N=batch.kind_N)
    shift_NT = ranker.position(batch.position_N, batch.kind_N)
    torch.testing.assert_close(learning["click"], serving["click"] + shift_NT[:, 0])
    torch.testing.assert_close(learning["dwell"], serving["dwell"] + shift_NT[:, 1:2])
    assert float(shift_NT.detach().abs().max()) > 0.1


def test_predictions_are_per_shown_item(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(5)
    logits = ranker(batch)
    found = ranker.predict(batch)
    p_click = functional.sigmoid(logits["click"])
    torch.testing.assert_close(found["click"], p_click.detach())
    expected = p_click * ranker.scale("dwell").expected_log_s(survival(logits["dwell"]))
    torch.testing.assert_close(found["dwell"], expected.detach())


def test_calibration_scales_and_shifts_a_binary_tasks_logits(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(6)
    logits = ranker(batch)
    ranker.platt_TK2[2] = torch.tensor([0.5, -1.0])
    found = ranker.predict(batch)
    torch.testing.assert_close(found["cart"], functional.sigmoid(0.5 * logits["cart"] - 1.0).detach())
    torch.testing.assert_close(found["click"], functional.sigmoid(logits["click"]).detach())


def test_an_untrained_task_is_a_constant_and_cannot_disturb_an_order(
    schema: FeatureSchema,
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(7)
    fresh = Ranker(RankerConfig(), schema, DEFAULT_TASKS)
    fresh.observe(batch)
    order = fresh.predict(batch)["order"]
    torch.testing.assert_close(order, torch.full_like(order, 0.05))


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
    assert without == []


def test_tasks_over_clicked_rows_need_a_click_task(schema: FeatureSchema) -> None:
    with pytest.raises(ValueError, match="without a task named click"):
        Ranker(RankerConfig(), schema, [task for task in DEFAULT_TASKS if task.name != "click"])


def test_a_binary_task_over_clicked_rows_is_multiplied_by_p_click(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    quick_back = dataclasses.replace(DEFAULT_TASKS[4], name="quick_back", rows="clicked")
    made = Ranker(RankerConfig(), schema, [DEFAULT_TASKS[0], quick_back])
    found = made.predict(make_batch(9))
    torch.testing.assert_close(found["quick_back"], torch.full_like(found["click"], 0.05 * 0.05))
