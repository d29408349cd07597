import torch

from models.kinds import kinds
from models.predictions import as_predictions
from models.raised_taste import predict_raised
from models.ranker_config import RankerConfig
from tests.models.test_ranker_taste import ANSWERS, batch, ranker


def test_raised_predictions_are_those_of_a_taste_one_deviation_higher() -> None:
    made, rows = ranker(), batch([*ANSWERS, []])
    side, row_R = made.item_side(rows.content), torch.tensor([17, 3, 0, 8])
    with torch.no_grad():
        assert made.taste is not None
        state = made.solve_taste(rows, side)
        assert state is not None
        variance_N = made.taste.variance(state, side.factor_MW, rows.content_N, rows.slate_N)
        # In ranker() the taste reaches the click head alone, by the linear path.
        higher_NT = variance_N.sqrt().unsqueeze(1) * torch.tensor([float(task.name == "click") for task in made.tasks])
        higher = made.tail(made.first_layer(rows, side), higher_NT)
        expected = as_predictions(made, higher, kinds(made.schema, rows.item_NI))
    found, raised = made.predict(rows), predict_raised(made, made.prepare(rows, side), row_R)
    for task in found:
        torch.testing.assert_close(raised[task], expected[task][row_R])
    assert bool((raised["click"] > found["click"][row_R]).all())


def test_nobody_who_answered_is_all_that_is_uncertain() -> None:
    """With a user who answered beside it, or without, a user without answers is as uncertain."""
    made, beside, alone = ranker(), batch([ANSWERS[0], []]), batch([[]])
    num = alone.num_rows
    row_R = torch.arange(num)
    for name in ("item_NI", "cross_NX"):
        getattr(beside, name)[num:] = getattr(alone, name)
    beside.user_SU[1:] = alone.user_SU
    of_two = predict_raised(made, made.prepare(beside), row_R + num)
    of_one = predict_raised(made, made.prepare(alone), row_R)
    for task, value_N in of_one.items():
        torch.testing.assert_close(of_two[task], value_N)
    assert bool((of_one["click"] > made.predict(alone)["click"]).all())


def test_without_a_taste_layer_nothing_is_raised() -> None:
    made, rows = ranker(RankerConfig(taste_columns=0)), batch()
    raised = predict_raised(made, made.prepare(rows), torch.tensor([5, 1]))
    for task, value_N in made.predict(rows).items():
        torch.testing.assert_close(raised[task], value_N[[5, 1]])
