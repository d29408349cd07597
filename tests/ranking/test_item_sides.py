"""Sides of items are computed once per version and content, and are those the ranker would compute."""

from dataclasses import fields

import torch

from models.content import Content, item_hash
from models.content_corpus import ContentCorpus
from models.ranker import Ranker
from streams.features.items import ItemTable
from streams.ranking.item_sides import ItemSides
from tests.ranking.sample_items import item_table
from tests.ranking.sample_tasks import loaded_model

CATALOGUE = [
    {"item_id": f"i{n}", "category": f"c{n % 3}", "tags": [f"t{n % 5}", f"t{n % 7}"], "price": 1.0 + n}
    for n in range(40)
]


def content_of(items: ItemTable, slots: list[int]) -> Content:
    contents = [items.contents[slot] for slot in slots]
    ids = [item_hash(items.item_ids[slot]) for slot in slots]
    return Content.of_items(ids, [one.code_V for one in contents], [one.dense_D for one in contents])


def fitted(items: ItemTable) -> Ranker:
    """A version with a content basis."""
    ranker = loaded_model().ranker
    assert ranker.taste is not None
    basis = ranker.taste.kernel.basis
    corpus = ContentCorpus(basis.num_fields)
    corpus.observe(content_of(items, list(range(1, items.n))))
    basis.set_fields(corpus.fit(torch.ones(basis.num_fields), 12))
    return ranker


def test_sides_are_those_of_the_ranker_in_the_order_asked_whatever_was_asked_before() -> None:
    items = item_table(CATALOGUE)
    ranker = fitted(items)
    sides = ItemSides(ranker)
    for slots in ([3, 7], [9, 3, 1], [7], list(range(1, 41))):
        found, expected = sides.of(torch.tensor(slots), items), ranker.item_side(content_of(items, slots))
        for one in fields(expected):
            torch.testing.assert_close(getattr(found, one.name), getattr(expected, one.name))
    assert float(found.factor_MW.abs().sum()) > 0


def test_an_item_whose_content_changes_is_computed_anew_and_others_are_not() -> None:
    items = item_table(CATALOGUE)
    ranker = fitted(items)
    sides, both = ItemSides(ranker), torch.tensor([1, 2])
    before = sides.of(both, items).factor_MW
    items.upsert({**CATALOGUE[1], "tags": ["t6"]}, 1)
    # Were the first item computed again, it would be by this.
    with torch.no_grad():
        ranker.get_parameter("taste.kernel.const_raw").add_(1.0)
    after = sides.of(both, items).factor_MW
    assert after[0].tolist() == before[0].tolist()
    torch.testing.assert_close(after[1], ranker.item_side(content_of(items, [2])).factor_MW[0])
    assert after[1].tolist() != before[1].tolist()


def test_too_many_items_start_anew_and_give_the_same() -> None:
    items = item_table(CATALOGUE)
    ranker = fitted(items)
    sides = ItemSides(ranker, max_items=8)
    for start in range(1, 36, 5):
        slots = list(range(start, start + 5))
        found = sides.of(torch.tensor(slots), items).factor_MW
        torch.testing.assert_close(found, ranker.item_side(content_of(items, slots)).factor_MW)
        assert sides.num_kept <= 8
