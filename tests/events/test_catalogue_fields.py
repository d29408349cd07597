from streams.events.catalogue_fields import infer_catalogue_fields
from streams.events.importers import LogRecord, read_log
from tests.events.ranklens import RANKLENS, needs_ranklens

ITEMS = [
    {
        "item_id": f"i{k}",
        "title": f"Item {k}",
        "category": f"c{k % 3}",
        "tags": [f"t{k % 4}", f"t{k % 5}"],
        "price": 1.0 + k,
        "brand": "only",
        "fields": {
            "sku": f"sku-{k}",
            "director": f"d{k % 10}",
            "story": f"{'long text ' * 20}{k % 2}",
            "year": 2000 + k % 7,
            "currency": 1,
            "size": k if k % 2 else f"{k % 3}",
        },
    }
    for k in range(40)
]


def test_repeated_words_become_affinities_and_numbers_become_numbers() -> None:
    """Left out: `brand` and `currency` never differ, `sku` never repeats, `story` is long, `size` has two types."""
    assert infer_catalogue_fields(ITEMS) == (("category", "tags", "director"), ("price", "year"))


def test_the_order_of_items_changes_nothing() -> None:
    assert infer_catalogue_fields(reversed(ITEMS)) == infer_catalogue_fields(ITEMS)


def test_a_field_is_kept_when_half_of_its_values_are_shared_and_not_below() -> None:
    def items(*tags: str) -> list[dict[str, object]]:
        return [{"item_id": str(k), "tags": [tag]} for k, tag in enumerate(tags)]

    assert infer_catalogue_fields(items("a", "a", "b", "c")) == (("tags",), ())
    assert infer_catalogue_fields(items("a", "a", "b", "c", "d")) == ((), ())


def test_a_value_that_one_item_repeats_is_not_shared() -> None:
    assert infer_catalogue_fields([{"item_id": "1", "tags": ["a", "a"]}, {"item_id": "2", "tags": ["b", "b"]}]) == (
        (),
        (),
    )


def test_no_items_give_no_fields() -> None:
    assert infer_catalogue_fields([]) == ((), ())


@needs_ranklens
def test_the_fields_of_ranklens_are_found() -> None:
    records = read_log(RANKLENS, "metarank")
    items = (r.value for r in records if isinstance(r, LogRecord) and r.topic == "catalogue")
    assert infer_catalogue_fields(items) == (
        ("tags", "actors", "director", "genres", "writer"),
        ("budget", "popularity", "release_date", "runtime", "vote_avg", "vote_cnt"),
    )
