"""What the ranker reads of a catalogue record."""

import math

from models.content import VALUE_BITS, value_code
from models.feature_schema import FeatureSchema
from streams.features.catalogue import CatalogueColumns
from streams.features.item_content import MAX_VALUES_PER_FIELD, content_of, no_content
from streams.settings import CatalogueFields

SCHEMA = FeatureSchema(
    affinity_fields=("category", "tags", "maker"), number_fields=("price", "weight"), text_fields=("title",),
    vector_fields=("vector",), vector_widths=(2,),
)  # fmt: skip


def test_values_of_sets_are_taken_whole_and_texts_word_by_word_each_once() -> None:
    item = {
        "item_id": "a", "category": "Tea", "tags": ["x", "y", "x"], "fields": {"maker": "Old Co"},
        "title": "Green green leaf",
    }  # fmt: skip
    expected = [(0, "Tea"), (1, "x"), (1, "y"), (2, "Old Co"), (3, "green"), (3, "leaf")]
    assert content_of(item, SCHEMA).code_V.tolist() == [value_code(field, text) for field, text in expected]


def test_numbers_are_signed_logarithms_and_vectors_follow_missing_ones_are_nan() -> None:
    item = {"item_id": "a", "price": math.e - 1, "fields": {"weight": 1 - math.e}, "vector": [0.5, -2.0]}
    assert content_of(item, SCHEMA).dense_D.round(6).tolist() == [1.0, -1.0, 0.5, -2.0]
    lacking = content_of({"item_id": "a", "price": "dear", "vector": [1.0]}, SCHEMA)
    assert [math.isnan(value) for value in lacking.dense_D] == [True] * 4
    assert [math.isnan(value) for value in no_content(4).dense_D] == [True] * 4


def test_an_item_of_endless_tags_stays_small() -> None:
    codes = content_of({"item_id": "a", "tags": [f"t{n}" for n in range(1000)]}, SCHEMA).code_V
    assert len(codes) == MAX_VALUES_PER_FIELD
    assert set((codes >> VALUE_BITS).tolist()) == {1}


def test_a_change_of_the_catalogue_changes_content_and_epoch_and_a_removed_item_keeps_both() -> None:
    items = CatalogueColumns(CatalogueFields())
    slot = items.upsert({"item_id": "a", "category": "tea"}, 1)
    first, epoch = items.contents[slot], items.content_epoch[slot]
    items.upsert({"item_id": "a", "category": "ale"}, 2)
    assert first.code_V.tolist() == [value_code(0, "tea")]
    assert items.contents[slot].code_V.tolist() == [value_code(0, "ale")]
    assert items.content_epoch[slot] == epoch + 1
    items.remove("a")
    assert items.contents[slot].code_V.tolist() == [value_code(0, "ale")]
