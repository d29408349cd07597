"""A valid event of every type, and every kind of bad one with the reason and detail it must get."""

import orjson

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
        "explain": True,
    },
    "forget": {**BASE, "type": "forget"},
    "watermark": {**BASE, "type": "watermark", "user_id": ""},
}


def click(**changes: object) -> bytes:
    return orjson.dumps({**CLICK, **changes})


def without(field: str, record: dict[str, object]) -> bytes:
    return orjson.dumps({name: value for name, value in record.items() if name != field})


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
        (
            "type: found 'clik', must be one of 'impression', 'click', 'view', 'dwell', 'cart', 'order', 'cancel', "
            "'dislike', 'search', 'rank', 'forget'"
        ),
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
        (
            "items: found [{'item_id': '0', 'position': 0}, {'item_id': '1', 'position': 1}, {'item_id': '…, "
            "List must have at most 500 items after validation, not 6000"
        ),
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
