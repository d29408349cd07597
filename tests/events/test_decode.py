import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.decode import Rejected, decode_catalogue, decode_event, decode_events
from streams.events.rejection import REASONS
from streams.events.schema import EVENT_TYPES

BASE = {"event_id": "e1", "user_id": "u1", "occurred_at_ms": 1_700_000_000_000}
CLICK = {**BASE, "type": "click", "item_id": "i1"}
DWELL = {**BASE, "type": "dwell", "item_id": "i1", "dwell_s": 3}
IMPRESSION = {
    **BASE,
    "type": "impression",
    "slate_id": "s1",
    "surface": "home",
    "items": [{"item_id": "i1", "position": 0}],
}
EXAMPLES = {
    "impression": IMPRESSION,
    "click": {**CLICK, "slate_id": "s1", "session_id": "v1", "context": {"device": "phone", "n": 1, "x": None}},
    "view": {**CLICK, "type": "view"},
    "dwell": {**DWELL, "dwell_s": 12.5, "is_final": False},
    "cart": {**CLICK, "type": "cart", "price": 9.99, "quantity": 2},
    "order": {**CLICK, "type": "order", "price": 10, "quantity": 1},
    "cancel": {**CLICK, "type": "cancel"},
    "dislike": {**CLICK, "type": "dislike"},
    "search": {**BASE, "type": "search", "query": "red shoes"},
    "rank": {
        **BASE,
        "type": "rank",
        "request_id": "r1",
        "surface": "home",
        "query": "red",
        "items": [{"item_id": "i1", "price": 1, "relevance": -0.5, "position": 0}, {"item_id": "i2"}],
        "exclude": ["i3"],
        "k": 10,
        "deadline_ms": 500,
    },
    "forget": {**BASE, "type": "forget"},
    "watermark": {**BASE, "type": "watermark", "user_id": ""},
}


def click(**changes: object) -> bytes:
    return orjson.dumps({**CLICK, **changes})


def without(field: str, record: dict[str, object]) -> bytes:
    return orjson.dumps({name: value for name, value in record.items() if name != field})


def test_an_example_of_every_type_is_read_as_it_was_sent() -> None:
    assert set(EXAMPLES) == {*EVENT_TYPES, "watermark"}
    assert decode_events([orjson.dumps(example) for example in EXAMPLES.values()]) == (list(EXAMPLES.values()), [])


def test_unknown_fields_are_left_out() -> None:
    assert decode_event(click(colour="red", nested={"a": [1, {"b": float(2)}]})) == CLICK


BAD: list[tuple[str, bytes | None, str, str]] = [
    ("no value", None, "empty", "record: found no value, needed one JSON object"),
    ("an empty value", b"", "empty", "record: found no value, needed one JSON object"),
    ("1 MB", click(pad="x" * 1_000_000), "too_large", "record: found 1000102 bytes, must have at most 256000"),
    ("invalid UTF-8", b'{"type":"click\xff"}', "not_utf8", "record: byte 14 is not UTF-8; needed JSON in UTF-8"),
    (
        "truncated",
        click()[:-5],
        "not_json",
        "record: EOF while parsing a value at line 1 column 88; needed one JSON object",
    ),
    ("two values", b"1,2", "not_json", "record: trailing characters at line 1 column 2; needed one JSON object"),
    (
        "two events in one record",
        click() + b"," + click(),
        "not_json",
        "record: trailing characters at line 1 column 94; needed one JSON object",
    ),
    (
        "a lone surrogate",
        click().replace(b"i1", rb"\ud800"),
        "not_json",
        "record: unexpected end of hex escape at line 1 column 96; needed one JSON object",
    ),
    ("a list", b"[]", "wrong_type", "record: found [], must be an object"),
    ("no type", without("type", CLICK), "missing_field", "type: not in the record, needed"),
    ("a type that is a number", click(type=5), "wrong_type", "type: found 5, must be a string"),
    (
        "an unknown type",
        click(type="clik"),
        "unknown_type",
        "type: found 'clik', must be one of 'impression', 'click', 'view', 'dwell', 'cart', 'order', 'cancel', "
        "'dislike', 'search', 'rank', 'forget'",
    ),
    ("no event id", without("event_id", CLICK), "missing_field", "event_id: not in the record, needed"),
    ("no user id", without("user_id", CLICK), "missing_field", "user_id: not in the record, needed"),
    ("no item id", without("item_id", CLICK), "missing_field", "item_id: not in the record, needed"),
    ("an empty id", click(user_id=""), "impossible_value", "user_id: found '', String must have at least 1 character"),
    ("a null id", click(slate_id=None), "wrong_type", "slate_id: found None, must be a valid string"),
    ("a number as id", click(item_id=7), "wrong_type", "item_id: found 7, must be a valid string"),
    (
        "an id of 257 characters",
        click(item_id="x" * 257),
        "id_too_long",
        f"item_id: found '{'x' * 79}…, String must have at most 256 characters",
    ),
    (
        "an id of 256 characters and 257 bytes",
        click(item_id="x" * 255 + "é"),
        "id_too_long",
        "item_id: found 257 bytes, must have at most 256",
    ),
    (
        "the same, written in escapes",
        click(item_id="@").replace(b"@", rb"\u00e9" * 129),
        "id_too_long",
        "item_id: found 258 bytes, must have at most 256",
    ),
    ("a time as text", click(occurred_at_ms="1"), "wrong_type", "occurred_at_ms: found '1', must be a valid integer"),
    (
        "a time with a fraction",
        click(occurred_at_ms=1.5),
        "wrong_type",
        "occurred_at_ms: found 1.5, must be a valid integer",
    ),
    (
        "a time before 1970",
        click(occurred_at_ms=-1),
        "impossible_value",
        "occurred_at_ms: found -1, must be greater than or equal to 0",
    ),
    (
        "a time beyond 64 bits",
        click(occurred_at_ms=0).replace(b":0,", b":99999999999999999999,"),
        "impossible_value",
        "occurred_at_ms: found 99999999999999999999, must be less than or equal to 9007199254740991",
    ),
    (
        "NaN as a time",
        click(occurred_at_ms=0).replace(b":0,", b":NaN,"),
        "impossible_value",
        "occurred_at_ms: found nan, needed a finite number",
    ),
    (
        "NaN as dwell",
        orjson.dumps(DWELL).replace(b":3", b":NaN"),
        "impossible_value",
        "dwell_s: found nan, needed a finite number",
    ),
    (
        "infinite dwell",
        orjson.dumps(DWELL).replace(b":3", b":-Infinity"),
        "impossible_value",
        "dwell_s: found -inf, needed a finite number",
    ),
    (
        "a dwell too large for a float",
        orjson.dumps(DWELL).replace(b":3", b":1e999"),
        "impossible_value",
        "dwell_s: found inf, needed a finite number",
    ),
    (
        "negative dwell",
        orjson.dumps({**DWELL, "dwell_s": -0.1}),
        "impossible_value",
        "dwell_s: found -0.1, must be greater than or equal to 0",
    ),
    (
        "a dwell of a month",
        orjson.dumps({**DWELL, "dwell_s": 2_592_000}),
        "impossible_value",
        "dwell_s: found 2592000, must be less than or equal to 604800",
    ),
    (
        "a negative price",
        click(type="cart", price=-1),
        "impossible_value",
        "price: found -1, must be greater than or equal to 0",
    ),
    ("half a piece", click(type="order", quantity=0.5), "wrong_type", "quantity: found 0.5, must be a valid integer"),
    ("a flag as a number", click(type="cart", price=True), "wrong_type", "price: found True, must be a valid number"),
    (
        "a negative position",
        orjson.dumps({**IMPRESSION, "items": [{"item_id": "i1", "position": -1}]}),
        "impossible_value",
        "items.0.position: found -1, must be greater than or equal to 0",
    ),
    (
        "no position",
        orjson.dumps({**IMPRESSION, "items": [{"item_id": "i1", "position": 0}, {"item_id": "i2"}]}),
        "missing_field",
        "items.1.position: not in the record, needed",
    ),
    (
        "10,000 items",
        orjson.dumps({**IMPRESSION, "items": [{"item_id": f"{k}", "position": k} for k in range(10_000)]}),
        "too_large",
        "record: found 347906 bytes, must have at most 256000",
    ),
    (
        "6,000 items",
        orjson.dumps({**IMPRESSION, "items": [{"item_id": f"{k}", "position": k} for k in range(6_000)]}),
        "too_many_items",
        "items: found [{'item_id': '0', 'position': 0}, {'item_id': '1', 'position': 1}, {'item_id': '…, "
        "List must have at most 500 items after validation, not 6000",
    ),
    (
        "no items",
        orjson.dumps({**IMPRESSION, "items": []}),
        "impossible_value",
        "items: found [], List must have at least 1 item after validation, not 0",
    ),
    (
        "a list in the context",
        click(context={"a": "b", "tags": ["x"]}),
        "wrong_type",
        "context.tags: found ['x'], must be a string, a number, true, false or null",
    ),
    (
        "NaN in the context",
        click(context={"a": 0}).replace(b":0}", b":NaN}"),
        "impossible_value",
        "context.a: found nan, needed a finite number",
    ),
    (
        "a long query",
        orjson.dumps({**BASE, "type": "search", "query": "q" * 1025}),
        "impossible_value",
        f"query: found '{'q' * 79}…, String must have at most 1024 characters",
    ),
    (
        "a watermark with a user",
        orjson.dumps({**BASE, "type": "watermark"}),
        "impossible_value",
        "user_id: found 'u1', must be ''",
    ),
]


@pytest.mark.parametrize(("raw", "reason", "detail"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_refused_with_its_reason_and_its_neighbours_are_kept(
    raw: bytes | None, reason: str, detail: str
) -> None:
    assert decode_events([click(), raw, click()]) == ([CLICK, None, CLICK], [Rejected(1, reason, detail)])


def test_records_that_are_one_event_only_when_joined_are_refused_each() -> None:
    """Joining a chunk into one list would read these three bad records as three good events."""
    whole = orjson.dumps(IMPRESSION)
    cut = whole.index(b',"position"') + len(b',"position":0}')
    raws = [whole[:cut], b'{"item_id":"i2","position":1}]}', click() + b"," + click()]
    events, rejected = decode_events(raws)
    assert events == [None, None, None]
    assert [r.reason for r in rejected] == ["not_json", "not_json", "not_json"]


@given(st.lists(st.one_of(st.binary(max_size=60), st.none(), st.sampled_from([*map(orjson.dumps, EXAMPLES.values())]))))
def test_any_bytes_give_an_event_or_a_reason_and_valid_neighbours_are_all_kept(raws: list[bytes | None]) -> None:
    good = [*map(orjson.dumps, EXAMPLES.values())]
    events, rejected = decode_events(raws)
    assert len(events) == len(raws)
    assert [r.index for r in rejected] == [k for k, event in enumerate(events) if event is None]
    assert all(r.reason in REASONS and r.detail for r in rejected)
    assert all(event is not None for raw, event in zip(raws, events, strict=True) if raw in good)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_any_value_in_any_field_gives_an_event_or_a_reason(kind: str, data: st.DataObject) -> None:
    import json

    example = EXAMPLES[kind]
    field = data.draw(st.sampled_from(sorted(example)))
    raw = json.dumps({**example, field: data.draw(JSON)}).encode()
    result = decode_event(raw)
    assert isinstance(result, Rejected) or result["event_id"]


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
