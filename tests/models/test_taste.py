import numpy as np
import torch

from models.content import NO_ITEM
from models.item_side import ItemSide
from tests.models.taste_shop import FILMS, films, history, taste

ANSWERS = [[(0, 1.0), (2, 0.0), (1, 1.0)], [(2, 1.0)], []]
EVERY = torch.arange(len(FILMS))


def by_hand(answers: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """f and its variance for every film, written out with dense matrices in float64."""
    layer = taste()
    factor = layer.kernel(films()).detach().double().numpy()
    kernel = factor @ factor.T + layer.kernel.identity.item() * np.eye(len(FILMS))
    held, y = [film for film, _ in answers], np.array([y for _, y in answers])
    later = np.arange(len(held))[::-1]
    trust = np.exp(layer.log_trust.item() - layer.fading.item() * later / 24)
    base, inner, f = layer.base_scale.item() * -1.386 + layer.base_shift.item(), kernel[np.ix_(held, held)], 0.0
    for _ in range(2):
        p = 1 / (1 + np.exp(-(base + f)))
        curvature = p * (1 - p) * trust
        pull = curvature * f + (y - p) * trust
        # (K + W^-1)^-1 in place of the root form.
        inverse = np.linalg.inv(inner + np.diag(1 / (curvature + 1e-6)))
        alpha = pull - inverse @ inner @ pull
        f = inner @ alpha
    cross = kernel[:, held]
    return cross @ alpha, np.diag(kernel) - np.einsum("na,ab,nb->n", cross, inverse, cross)


def test_scores_and_variance_equal_the_formulas_written_out() -> None:
    layer, content = taste(), films()
    factor = layer.kernel(content)
    state = layer.solve(factor, history(ANSWERS))
    for user, answers in enumerate(ANSWERS[:2]):
        slate_N = torch.full_like(EVERY, user)
        f, variance = by_hand(answers)
        np.testing.assert_allclose(layer(state, factor, EVERY, slate_N).detach().numpy(), f, atol=1e-5)
        np.testing.assert_allclose(layer.variance(state, factor, EVERY, slate_N).detach().numpy(), variance, atol=1e-5)


def test_a_later_answer_counts_more_as_far_as_was_learned() -> None:
    layer, content = taste(), films()
    factor, answer_SA = layer.kernel(content), history([[(0, 1.0)] * 3, [(0, 1.0)]]).answer_SA
    with torch.no_grad():
        layer.log_trust.zero_(), layer.fading.fill_(24 * 0.5)
    expected = [[np.exp(-1.0), np.exp(-0.5), 1.0], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(layer.trust(answer_SA).detach().numpy(), expected, rtol=1e-6)
    first, last = (layer.solve(factor, history([answers])) for answers in ([(0, 1.0), (2, 0.0)], [(2, 0.0), (0, 1.0)]))
    of_first, of_last = (layer(state, factor[:1], EVERY[:1], EVERY[:1]).item() for state in (first, last))
    assert of_first < of_last


def test_a_user_without_answers_has_no_taste_and_all_the_uncertainty() -> None:
    layer, content = taste(), films()
    factor = layer.kernel(content)
    slate_N = torch.full_like(EVERY, 2)
    prior = factor.square().sum(1) + layer.kernel.identity
    for state in (layer.solve(factor, history(ANSWERS)), layer.solve(factor, history([[], [], []]))):
        assert layer(state, factor, EVERY, slate_N).tolist() == [0.0] * len(FILMS)
        torch.testing.assert_close(layer.variance(state, factor, EVERY, slate_N), prior)
    torch.testing.assert_close(layer.variance(None, factor, EVERY, slate_N), prior)


def test_the_variance_of_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    layer, content = taste(), films()
    factor = layer.kernel(content)
    state = layer.solve(factor, history(ANSWERS))
    # Lists of all lengths, in any order, with an item that is not known; the last user has none.
    slate_N = torch.tensor([1, 0, 0, 1, 0, 1, 0, 0, 0])
    content_N = torch.tensor([2, 0, NO_ITEM, 4, 2, 2, 5, 1, 3])
    alone = [layer.variance(state, factor, content_N[n : n + 1], slate_N[n : n + 1]) for n in range(9)]
    torch.testing.assert_close(layer.variance(state, factor, content_N, slate_N), torch.cat(alone))
    assert len(set(torch.cat(alone).tolist())) == 8
    assert alone[2].item() == layer.kernel.identity.item()
    assert layer.variance(state, factor, content_N[:0], slate_N[:0]).shape == (0,)
    nothing = layer.variance(None, factor[:0], content_N[2:3], slate_N[2:3])
    assert nothing.tolist() == alone[2].tolist()


def test_one_answer_moves_what_is_alike_most_and_makes_it_more_certain() -> None:
    layer, content = taste(), films()
    factor = layer.kernel(content)
    names = [name for name, *_ in FILMS]
    for y in (1.0, 0.0):
        state = layer.solve(factor, history([[(names.index("airplane"), y)]]))
        f = dict(zip(names, layer(state, factor, EVERY, torch.zeros_like(EVERY)).tolist(), strict=True))
        moved = sorted(names, key=lambda name: -abs(f[name]))
        assert moved[0] == "airplane"
        assert set(moved[1:3]) == {"return", "top secret"}
        assert (f["airplane"] > 0) == (y == 1.0)
        variance = layer.variance(state, factor, EVERY, torch.zeros_like(EVERY))
        assert bool((variance < factor.square().sum(1) + layer.kernel.identity).all())


def test_contributions_by_answer_and_group_add_up_to_the_score() -> None:
    layer, content = taste(), films()
    factor = layer.kernel(content)
    state = layer.solve(factor, history(ANSWERS))
    for user in range(2):
        slate_N = torch.full_like(EVERY, user)
        found = layer.contributions(state, factor, EVERY, slate_N)
        assert found.shape == (len(FILMS), 3, len(layer.kernel.groups))
        torch.testing.assert_close(found.sum((1, 2)), layer(state, factor, EVERY, slate_N), atol=1e-5, rtol=1e-5)
    same = layer.kernel.groups.index("same_item")
    is_same = found[:, -1, same] != 0
    assert is_same.tolist() == [False, False, True, False, False, False]


def test_items_that_are_not_known_have_no_part_in_it() -> None:
    layer, content = taste(), films()
    factor = layer.kernel(content)
    known = layer.solve(factor, history([[(0, 1.0)]]))
    with_unknown = layer.solve(factor, history([[(NO_ITEM, 1.0), (0, 1.0)]]))
    zeros = torch.zeros_like(EVERY)
    torch.testing.assert_close(layer(with_unknown, factor, EVERY, zeros), layer(known, factor, EVERY, zeros))
    nothing = torch.full_like(EVERY[:1], NO_ITEM)
    assert layer(known, torch.zeros(1, factor.shape[1]), nothing, zeros[:1]).tolist() == [0.0]


def test_every_weight_of_the_layer_has_a_gradient_through_the_solve() -> None:
    layer, content = taste(), films()
    factor = layer.kernel(content)
    state = layer.solve(factor, history(ANSWERS[:2]))
    slate_N = torch.tensor([0, 0, 0, 1, 1, 1])
    (layer(state, factor, EVERY, slate_N) + layer.base(torch.full((6,), -1.0))).square().sum().backward()
    without = [name for name, weight in layer.named_parameters() if weight.grad is None or not weight.grad.any()]
    # No film has a category.
    assert without == ["kernel.vector_raw"]
    assert layer.kernel.field_raw_F.grad is not None
    assert (layer.kernel.field_raw_F.grad != 0).tolist() == [False, True, True]


def test_one_row_scores_as_it_does_among_all_rows_of_all_users() -> None:
    layer, content = taste(), films()
    side = ItemSide(layer.kernel(content), torch.zeros(len(FILMS), 0), torch.zeros(len(FILMS), 0))
    state = layer.solve(side.factor_MW, history(ANSWERS * 4))
    slate_N, content_N = torch.arange(12).repeat_interleave(len(FILMS)), EVERY.repeat(12)
    content_N[::5] = NO_ITEM
    # The first takes the product of all items with all users, the second that of its own row.
    together_N = layer.of_items(state, side, content_N, slate_N)
    alone = [layer.of_items(state, side, content_N[n : n + 1], slate_N[n : n + 1]) for n in range(len(slate_N))]
    torch.testing.assert_close(together_N, torch.cat(alone))
