import math

import pytest
import torch

from models.content import NO_ITEM, Content, value_code
from models.feature_schema import EVENT_KINDS
from models.inputs import History
from models.target_attention import TargetAttention

CLICK, CART = EVENT_KINDS.index("click"), EVENT_KINDS.index("cart")
HOUR_S = 3600.0


def history(actions: list[list[tuple[int, int, float]]]) -> History:
    """Actions per user, oldest first: item, kind, age in seconds."""
    width = max(map(len, actions))
    padded = [[(NO_ITEM, 0, 0.0)] * (width - len(of_user)) + of_user for of_user in actions]
    none = torch.empty(len(actions), 0)
    return History(
        answer_SA=none.long(),
        answer_y_SA=none,
        answer_logit_SA=none,
        action_SH=torch.tensor([[one[0] for one in of_user] for of_user in padded]),
        action_kind_SH=torch.tensor([[one[1] for one in of_user] for of_user in padded]),
        action_age_s_SH=torch.tensor([[one[2] for one in of_user] for of_user in padded]),
    )


def attention(width: int = 2) -> TargetAttention:
    """Sharpness 2, threshold .5; actions decay as 1 / (1 + age / 1 h); a cart adds (0, 1) to its item."""
    torch.manual_seed(0)
    made = TargetAttention(width, num_fields=2)
    with torch.no_grad():
        made.sharpness_bias.fill_(2.0)
        made.decay_bias_K.fill_(math.log(math.expm1(1.0)))
        made.kind_bias_KA[CART, 1] = 1.0
    return made


# Queries, then keys, of three items.
ITEMS = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.5, 0.5]])


def test_it_pools_what_fits_the_item_by_weight_and_age_as_computed_by_hand() -> None:
    """User 0 clicked item 0 an hour ago (decay 1/2), put item 1 into the cart three hours ago (1/4); user 1 nothing;
    user 2 clicked item 2 just now.
    """
    before = history([[(0, CLICK, HOUR_S), (1, CART, 3 * HOUR_S)], [], [(2, CLICK, 0.0)]])
    found = attention()(ITEMS, before, torch.tensor([0, 2, 0, NO_ITEM, 0]), torch.tensor([0, 0, 1, 0, 2]))

    def weight(fit: float, decay: float) -> float:
        return decay / (1 + math.exp(-2 * (fit - 0.5))) / (1 + 0.5 + 0.25)

    def pooled(click_fit: float, cart_fit: float) -> list[float]:
        click, cart = weight(click_fit, 0.5), weight(cart_fit, 0.25)
        return [click * 1, cart * (1 + 1)]

    expected = [pooled(1, 0), pooled(1, 1), [0, 0], pooled(0, 0), [0.5 / 4, 0.5 / 4]]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


def test_rows_of_slates_in_any_order_and_of_any_number_get_their_own_users_actions() -> None:
    made = attention()
    before = history([[(0, CLICK, 0.0)], [(1, CART, 9.0), (2, CLICK, 5.0)], [(1, CLICK, 60.0)]])
    slate_N, content_N = torch.tensor([2, 0, 1, 1, 0, 1]), torch.tensor([0, 1, 2, 0, 1, 1])
    together = made(ITEMS, before, content_N, slate_N)
    for row in range(len(slate_N)):
        alone = made(ITEMS, before, content_N[row : row + 1], slate_N[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)


def test_of_a_user_or_a_catalogue_that_is_not_known_nothing_is_said() -> None:
    made, rows = attention(), torch.zeros(3, dtype=torch.int64)
    assert torch.equal(made(ITEMS, History.empty(1), rows, rows), torch.zeros(3, 2))
    nobody = history([[(NO_ITEM, 0, 0.0)]])
    assert torch.equal(made(ITEMS, nobody, rows, rows), torch.zeros(3, 2))
    assert torch.equal(made(ITEMS[:0], nobody, rows - 1, rows), torch.zeros(3, 2))


def test_at_first_an_action_fits_an_item_as_their_contents_are_alike() -> None:
    values = [[(0, "tea"), (1, "green")], [(0, "tea"), (1, "black")], [(0, "cup"), (1, "blue")]]
    codes = [(m, value_code(*value)) for m, of_item in enumerate(values) for value in of_item]
    content = Content(
        id_M=torch.arange(3),
        value_V=torch.tensor([code for _, code in codes]),
        item_V=torch.tensor([m for m, _ in codes]),
        dense_MD=torch.empty(3, 0),
    )
    query_MA, key_MA = attention(width=64).of_items(content).detach().split(64, 1)
    fit = query_MA @ key_MA.T
    torch.testing.assert_close(fit.diagonal(), torch.ones(3))
    assert float(fit[0, 1]) == pytest.approx(0.5, abs=0.25)
    assert float(fit[0, 2]) == pytest.approx(0.0, abs=0.25)
