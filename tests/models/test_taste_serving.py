import math

import pytest
import torch
from torch import Tensor

from models.content import NO_ITEM
from models.inputs import History
from models.item_side import ItemSide
from models.taste import Taste
from models.taste_weights import NO_BASE_LOGIT
from tests.models.taste_shop import taste

NUM_ITEMS = 300


def side_of(width: int, num_items: int = NUM_ITEMS) -> ItemSide:
    """Factors as large as those that are learned."""
    drawn_MW = torch.randn(num_items, width, generator=torch.Generator().manual_seed(1))
    return ItemSide(drawn_MW / math.sqrt(width), torch.zeros(num_items, 0), torch.zeros(num_items, 0))


def history(num_users: int, num_answers: int, seed: int = 0) -> History:
    """Answers of all kinds to items among which some come twice."""
    rng = torch.Generator().manual_seed(seed)
    none = torch.empty(num_users, 0)
    return History(
        answer_SA=torch.randint(0, NUM_ITEMS, (num_users, num_answers), generator=rng),
        answer_y_SA=torch.randint(-1, 2, (num_users, num_answers), generator=rng).float(),
        answer_logit_SA=torch.randn(num_users, num_answers, generator=rng) - 2.0,
        action_SH=none.long(),
        action_kind_SH=none.long(),
        action_age_s_SH=none,
    )


def assert_served_as_learned(layer: Taste, side: ItemSide, answers: History) -> None:
    """All of the state, and the scores and variances of rows in any order."""
    rng, num_users = torch.Generator().manual_seed(2), len(answers.answer_SA)
    slate_N = torch.randint(0, num_users, (500,), generator=rng)
    content_N = torch.randint(NO_ITEM, len(side), (500,), generator=rng)
    answered_N = answers.answer_SA[slate_N[:100]][:, -1:].squeeze(1)
    content_N[: len(answered_N)] = answered_N
    learned = layer.solve(side.factor_MW, answers)
    expected_N = layer.of_items(learned, side, content_N, slate_N)
    variance_N = layer.variance(learned, side.factor_MW, content_N, slate_N)
    with torch.no_grad():
        served = layer.solve(side.factor_MW, answers)
        found_N = layer.of_items(served, side, content_N, slate_N)
        found_variance_N = layer.variance(served, side.factor_MW, content_N, slate_N)
    for name in ("direction_SW", "alpha_SA", "root_SA", "lower_SAA"):
        torch.testing.assert_close(getattr(served, name), getattr(learned, name).detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found_N, expected_N.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found_variance_N, variance_N.detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("width", [1, 16, 64, 145])
@pytest.mark.parametrize("num_answers", [1, 8, 17, 96, 130])
def test_serving_solves_and_scores_as_learning_does(num_answers: int, width: int) -> None:
    answers = history(7, num_answers)
    # No answer; few; and one in the middle to an item that is not known.
    answers.answer_SA[1] = NO_ITEM
    answers.answer_SA[2, : num_answers // 2] = NO_ITEM
    answers.answer_SA[3, num_answers // 3] = NO_ITEM
    assert_served_as_learned(taste(), side_of(width), answers)
    assert_served_as_learned(taste(), side_of(width), history(1, num_answers))


def test_what_is_not_known_of_an_item_and_surprises_are_served_as_learned() -> None:
    answers = history(3, 40)
    answers.answer_logit_SA[0, ::3] = math.nan
    answers.answer_logit_SA[1, ::2] = 30.0
    answers.answer_logit_SA[2] = -30.0
    answers.answer_y_SA[1] = 0.0
    answers.answer_y_SA[2] = 1.0
    assert_served_as_learned(taste(), side_of(20), answers)


def served(answers: History, side: ItemSide, content_N: Tensor, slate_N: Tensor) -> list[float]:
    layer = taste()
    with torch.no_grad():
        state = layer.solve(side.factor_MW, answers)
        found: list[float] = layer.of_items(state, side, content_N, slate_N).tolist()
    return found


def test_an_item_whose_click_rate_is_not_known_had_a_usual_one() -> None:
    unknown, usual = history(1, 5), history(1, 5)
    unknown.answer_logit_SA[:] = math.nan
    usual.answer_logit_SA[:] = NO_BASE_LOGIT
    rows = torch.arange(10), torch.zeros(10, dtype=torch.int64)
    assert served(unknown, side_of(8), *rows) == served(usual, side_of(8), *rows)


def test_without_items_answers_or_rows_there_is_nothing_to_like() -> None:
    nobody = history(2, 3)
    nobody.answer_SA[:] = NO_ITEM
    rows = torch.tensor([NO_ITEM, NO_ITEM]), torch.tensor([0, 1])
    assert served(nobody, side_of(8, num_items=0), *rows) == [0.0, 0.0]
    assert served(nobody, side_of(8), torch.tensor([4, 5]), rows[1]) == [0.0, 0.0]
    assert served(history(2, 0), side_of(8), torch.tensor([4, 5]), rows[1]) == [0.0, 0.0]
    assert served(nobody, side_of(8), rows[0][:0], rows[1][:0]) == []
    assert served(history(0, 3), side_of(8), rows[0][:0], rows[1][:0]) == []
