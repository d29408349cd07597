import math

import pytest
import torch
from torch.nn import functional

from models.task_chain import chained, product_logit
from models.tasks import DEFAULT_TASKS

CLICK, _, CART, ORDER, CANCELLED, _, QUICK_BACK = DEFAULT_TASKS
TASKS = (CLICK, CART, ORDER, CANCELLED, QUICK_BACK)


def test_the_product_of_an_even_chance_and_one_in_four_is_one_in_eight() -> None:
    found = product_logit(torch.tensor([0.0]), torch.tensor([-math.log(3)]))
    assert found.tolist() == [pytest.approx(math.log((1 / 8) / (7 / 8)), abs=1e-6)]


def test_chances_multiply_down_the_chain_and_tasks_over_given_rows_keep_their_own() -> None:
    heads = {task.name: torch.tensor([float(place), -1.0]) for place, task in enumerate(TASKS)}
    found = {name: logit.sigmoid() for name, logit in chained(TASKS, heads).items()}
    chances = {name: logit.sigmoid() for name, logit in heads.items()}
    torch.testing.assert_close(found["cart"], chances["click"] * chances["cart"])
    torch.testing.assert_close(found["order"], chances["click"] * chances["cart"] * chances["order"])
    for name in ("click", "order_cancelled", "quick_back"):
        assert torch.equal(found[name], chances[name])


@pytest.mark.parametrize("given", [-1e6, -200.0, -40.0, 0.0, 40.0, 200.0, 1e6])
@pytest.mark.parametrize("own", [-1e6, -200.0, -40.0, 0.0, 40.0, 200.0, 1e6])
def test_extreme_logits_keep_loss_and_gradient_finite(own: float, given: float) -> None:
    for label in (0.0, 1.0):
        head = torch.tensor([own], requires_grad=True)
        logit = product_logit(head, torch.tensor([given]))
        functional.binary_cross_entropy_with_logits(logit, torch.tensor([label])).backward()
        assert head.grad is not None
        assert bool(torch.isfinite(logit).all() and torch.isfinite(head.grad).all())
        assert float(logit.detach()) <= min(own, given) + 1e-3
        assert float(head.grad.abs()) <= 1.1


def test_a_certain_click_leaves_the_carts_own_logit() -> None:
    own = torch.tensor([-7.0, 0.3, 5.0])
    torch.testing.assert_close(product_logit(own, torch.full((3,), 60.0)), own)


def test_a_cart_teaches_the_cart_given_a_click_and_not_the_click() -> None:
    heads = {name: torch.zeros(1, requires_grad=True) for name in ("click", "cart")}
    loss = functional.binary_cross_entropy_with_logits(chained([CLICK, CART], heads)["cart"], torch.ones(1))
    click, cart = torch.autograd.grad(loss, [heads["click"], heads["cart"]], allow_unused=True)
    assert click is None
    # P(cart) = 1/4, so d loss / d logit = -3/4; the logit moves by 2/3 of the head: two of the three equal terms.
    assert cart is not None
    assert cart.tolist() == [pytest.approx(-0.5)]
