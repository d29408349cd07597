"""Every field of what a site sends has a limit: told by the schemas, and tried at the limit and one beyond it."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from streams.events.contracts import json_schema
from streams.events.decode import decode_catalogue, decode_event
from streams.events.field_types import (
    MAX_CONTEXT,
    MAX_FIELDS,
    MAX_ID_BYTES,
    MAX_ITEMS,
    MAX_NUMBER,
    MAX_QUERY_CHARS,
    MAX_RECORD_BYTES,
    MAX_SAFE_INT,
    MAX_TEXT_CHARS,
    MAX_VECTOR,
)
from streams.events.rejection import Rejected
from streams.events.schema import CatalogueItem, PublicEvent
from tests.events.sample_events import BASE, CLICK

CONTRACTS = {"events": TypeAdapter(PublicEvent), "catalogue": TypeAdapter(CatalogueItem)}
ITEM = {"item_id": "i1"}


def unlimited(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Places of a schema where a value may be as large as it likes."""
    kind = schema.get("type")
    if "const" not in schema and "enum" not in schema:
        if kind == "string" and "maxLength" not in schema:
            yield f"{path}: string"
        if kind == "array" and "maxItems" not in schema:
            yield f"{path}: list"
        if kind in {"integer", "number"} and not {"minimum", "maximum"} <= schema.keys():
            yield f"{path}: {kind}"
        if isinstance(schema.get("additionalProperties"), dict) and "maxProperties" not in schema:
            yield f"{path}: map"
    for name, part in {**schema.get("properties", {}), **schema.get("$defs", {})}.items():
        yield from unlimited(part, f"{path}.{name}")
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(name), dict):
            yield from unlimited(schema[name], f"{path}.{name}")
    for index, part in enumerate((*schema.get("anyOf", ()), *schema.get("oneOf", ()))):
        yield from unlimited(part, f"{path}.{index}")


@pytest.mark.parametrize("topic", CONTRACTS)
def test_no_field_is_without_a_limit(topic: str) -> None:
    assert list(unlimited(json_schema(topic, CONTRACTS[topic]))) == []


def test_the_search_for_limits_finds_what_has_none() -> None:
    class Loose(TypedDict):
        a: str
        b: list[int]
        c: dict[str, float]

    found = sorted(place.rpartition(": ")[2] for place in unlimited(TypeAdapter(Loose).json_schema()))
    assert found == ["integer", "list", "map", "number", "string"]


def event(**fields: object) -> bytes:
    return orjson.dumps({**BASE, **fields})


def shown(num: int) -> list[dict[str, object]]:
    return [{"item_id": f"i{n}", "position": n} for n in range(num)]


def padded(size_bytes: int) -> bytes:
    short = orjson.dumps({**CLICK, "pad": ""})
    return short.replace(b'""', b'"' + b"x" * (size_bytes - len(short)) + b'"')


def an_id(name: str, length: int, **others: object) -> bytes:
    return event(**others, **{name: "x" * length})


def rank(**fields: object) -> bytes:
    return event(type="rank", **{"request_id": "r", "surface": "s", **fields})


VIEW = {"type": "view", "item_id": "i"}
DEEP = orjson.dumps(CLICK)[:-1] + b',"pad":' + b"[" * 5000 + b"]" * 5000 + b"}"
EVENTS: list[tuple[str, bytes, bytes, str]] = [
    ("record", padded(MAX_RECORD_BYTES), padded(MAX_RECORD_BYTES + 1), "too_large"),
    *(
        (name, an_id(name, MAX_ID_BYTES, **others), an_id(name, MAX_ID_BYTES + 1, **others), "id_too_long")
        for name, others in (
            ("event_id", VIEW),
            ("user_id", VIEW),
            ("session_id", VIEW),
            ("slate_id", VIEW),
            ("item_id", {"type": "view"}),
            ("request_id", {"type": "rank", "surface": "s"}),
            ("surface", {"type": "rank", "request_id": "r"}),
        )
    ),
    (
        "query",
        event(type="search", query="x" * MAX_QUERY_CHARS),
        event(type="search", query="x" * (MAX_QUERY_CHARS + 1)),
        "impossible_value",
    ),
    (
        "items",
        event(type="impression", slate_id="s", surface="s", items=shown(MAX_ITEMS)),
        event(type="impression", slate_id="s", surface="s", items=shown(MAX_ITEMS + 1)),
        "too_many_items",
    ),
    *(
        (f"{name} to rank", rank(**{name: full[:-1]}), rank(**{name: full}), "too_many_items")
        for name, full in (("exclude", [f"i{n}" for n in range(MAX_ITEMS + 1)]), ("items", shown(MAX_ITEMS + 1)))
    ),
    ("k", rank(k=MAX_ITEMS), rank(k=MAX_ITEMS + 1), "impossible_value"),
    (
        "context",
        orjson.dumps({**CLICK, "context": {f"k{n}": 1 for n in range(MAX_CONTEXT)}}),
        orjson.dumps({**CLICK, "context": {f"k{n}": 1 for n in range(MAX_CONTEXT + 1)}}),
        "too_many_items",
    ),
    (
        "text in the context",
        orjson.dumps({**CLICK, "context": {"k": "x" * MAX_TEXT_CHARS}}),
        orjson.dumps({**CLICK, "context": {"k": "x" * (MAX_TEXT_CHARS + 1)}}),
        "impossible_value",
    ),
    (
        "number in the context",
        orjson.dumps({**CLICK, "context": {"k": MAX_SAFE_INT}}),
        orjson.dumps({**CLICK, "context": {"k": 1e300}}),
        "wrong_type",
    ),
    ("nesting", orjson.dumps({**CLICK, "pad": [[[[[]]]]]}), DEEP, "not_json"),
]
ITEMS: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("title", {"title": "x" * MAX_TEXT_CHARS}, {"title": "x" * (MAX_TEXT_CHARS + 1)}, "impossible_value"),
    ("tags", {"tags": ["t"] * MAX_ITEMS}, {"tags": ["t"] * (MAX_ITEMS + 1)}, "too_many_items"),
    ("a tag", {"tags": ["x" * MAX_ID_BYTES]}, {"tags": ["x" * (MAX_ID_BYTES + 1)]}, "id_too_long"),
    ("category", {"category": "x" * MAX_ID_BYTES}, {"category": "x" * (MAX_ID_BYTES + 1)}, "id_too_long"),
    ("brand", {"brand": "x" * MAX_ID_BYTES}, {"brand": "x" * (MAX_ID_BYTES + 1)}, "id_too_long"),
    ("vector", {"vector": [0.5] * MAX_VECTOR}, {"vector": [0.5] * (MAX_VECTOR + 1)}, "too_many_items"),
    ("image", {"image_vector": [0.5] * MAX_VECTOR}, {"image_vector": [0.5] * (MAX_VECTOR + 1)}, "too_many_items"),
    ("a number", {"vector": [MAX_NUMBER]}, {"vector": [MAX_NUMBER * 2]}, "impossible_value"),
    (
        "fields",
        {"fields": {f"f{n}": n for n in range(MAX_FIELDS)}},
        {"fields": {f"f{n}": n for n in range(MAX_FIELDS + 1)}},
        "too_many_items",
    ),
    ("a field's list", {"fields": {"f": [1] * MAX_VECTOR}}, {"fields": {"f": [1] * (MAX_VECTOR + 1)}}, None),
    ("a field's name", {"fields": {"f" * MAX_ID_BYTES: 1}}, {"fields": {"f" * (MAX_ID_BYTES + 1): 1}}, None),
    ("a field's word", {"fields": {"f": ["x" * MAX_ID_BYTES]}}, {"fields": {"f": ["x" * (MAX_ID_BYTES + 1)]}}, None),
    ("nesting", {"fields": {"f": [1]}}, {"fields": {"f": [[1]]}}, None),
]


@pytest.mark.parametrize(("most", "more", "reason"), [case[1:] for case in EVENTS], ids=[case[0] for case in EVENTS])
def test_an_event_is_taken_at_the_limit_and_refused_beyond_it(most: bytes, more: bytes, reason: str) -> None:
    assert not isinstance(decode_event(most), Rejected)
    refused = decode_event(more)
    assert isinstance(refused, Rejected)
    assert refused.reason == reason
    assert len(refused.detail) < 400


@pytest.mark.parametrize(("most", "more", "reason"), [case[1:] for case in ITEMS], ids=[case[0] for case in ITEMS])
def test_an_item_is_taken_at_the_limit_and_refused_beyond_it(
    most: dict[str, Any], more: dict[str, Any], reason: str | None
) -> None:
    """Of values that may be of several types the reason is that of the last type tried; it is not looked at."""
    assert not isinstance(decode_catalogue(orjson.dumps(ITEM | most)), Rejected)
    refused = decode_catalogue(orjson.dumps(ITEM | more))
    assert isinstance(refused, Rejected)
    assert reason in {refused.reason, None}
    assert len(refused.detail) < 400
