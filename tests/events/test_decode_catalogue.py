import orjson
import pytest

from streams.events.decode import Rejected, decode_catalogue


def test_a_catalogue_item_keeps_its_free_fields() -> None:
    item = {
        "item_id": "i1", "kind": "coupon", "title": "A", "category": "c", "brand": "b", "tags": ["x", "y"],
        "price": 5, "text": "long", "vector": [0.5, 1], "image_vector": [1], "in_stock": False, "bid": 0.1,
        "fields": {"director": "d", "runtime": 101.5, "genres": ["a", "b"], "sizes": [1, 2]},
    }  # fmt: skip
    assert decode_catalogue(orjson.dumps({**item, "other": {}})) == item


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (b"{}", Rejected(0, "missing_field", "item_id: not in the record, needed")),
        (b"", Rejected(0, "empty", "record: found no value, needed one JSON object")),
        (b"[1]", Rejected(0, "wrong_type", "record: found [1], must be an object")),
        (
            b'{"item_id":"i","kind":"book"}',
            Rejected(0, "impossible_value", "kind: found 'book', must be 'product', 'coupon' or 'ad'"),
        ),
        (
            b'{"item_id":"i","fields":{"a":{"b":1}}}',
            Rejected(0, "wrong_type", "fields.a: found {'b': 1}, must be a string, a number or a list of them"),
        ),
        (b'{"item_id":"i","price":NaN}', Rejected(0, "impossible_value", "price: found nan, needed a finite number")),
        (
            b'{"item_id":"i","bid":-2}',
            Rejected(0, "impossible_value", "bid: found -2, must be greater than or equal to 0"),
        ),
        (
            b'{"item_id":"i","tags":["' + "é".encode() * 200 + b'"]}',
            Rejected(0, "id_too_long", "tags.0: found 400 bytes, must have at most 256"),
        ),
    ],
)
def test_a_bad_catalogue_item_is_refused_with_its_reason(raw: bytes, refusal: Rejected) -> None:
    assert decode_catalogue(raw) == refusal
