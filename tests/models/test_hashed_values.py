import pytest
import torch

from models.content import Content, value_code
from models.hashed_values import HASHED_WIDTH, hashed_values


def content(items: list[list[tuple[int, str]]]) -> Content:
    values = [(m, value_code(field, text)) for m, of_item in enumerate(items) for field, text in of_item]
    return Content(
        id_M=torch.arange(len(items)),
        value_V=torch.tensor([code for _, code in values], dtype=torch.int64),
        item_V=torch.tensor([m for m, _ in values], dtype=torch.int64),
        dense_MD=torch.empty(len(items), 0),
    )


def test_a_value_has_the_same_signs_on_every_machine() -> None:
    [vector_D] = hashed_values(content([[(0, "drama")]]), torch.ones(1))
    bits = "".join("+" if one > 0 else "-" for one in vector_D.tolist())
    assert bits == "+++--+--++---++--+------+++++-+-++-+-+-+-+++++++-++----++++++++-"
    torch.testing.assert_close(vector_D.abs(), torch.full((HASHED_WIDTH,), 1 / 8))


def test_signs_of_many_values_are_even_and_independent() -> None:
    vectors = hashed_values(content([[(k % 3, str(k))] for k in range(4000)]), torch.ones(3))
    correlation = (vectors.sign().T @ vectors.sign()) / 4000
    assert float(vectors.sign().mean(0).abs().max()) < 0.06
    assert float((correlation - torch.eye(HASHED_WIDTH)).abs().max()) < 0.08


def test_items_are_as_alike_as_the_share_of_values_they_have_in_common_by_field() -> None:
    """Fields count the same however many values they hold, and by their weight."""
    tags = [[(1, f"tag {k}") for k in range(start, start + 4)] for start in (0, 2)]
    found = hashed_values(content([[(0, "tea"), *tags[0]], [(0, "tea"), *tags[1]], []]), torch.tensor([1.0, 2.0]))
    assert float(found[0] @ found[1]) == pytest.approx((1 * 1 + 4 * 0.5) / 5, abs=0.2)
    torch.testing.assert_close(found.norm(dim=1), torch.tensor([1.0, 1.0, 0.0]))
    only_category = hashed_values(content([[(0, "tea"), *tags[0]], [(0, "tea"), *tags[1]]]), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(only_category[0], only_category[1])


def test_no_items_have_no_vectors() -> None:
    assert hashed_values(Content.empty(), torch.ones(2)).shape == (0, HASHED_WIDTH)
