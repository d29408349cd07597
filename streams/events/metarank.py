"""Metarank's events as ours: `item` -> catalogue, `ranking` -> rank request and impression, `interaction` -> click.

Pure. A replaying site saw its lists as it asked for them, so one `ranking` gives both events, at the same time. Item
records replace each other here, where Metarank merges fields. Format: doc/event-schema.md of metarank/metarank.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from streams.events.rejection import Reason

__all__ = ["UnmappableError", "map_metarank"]

_INTERACTIONS = {
    "click": "click",
    "view": "view",
    "cart": "cart",
    "add_to_cart": "cart",
    "order": "order",
    "purchase": "order",
    "dislike": "dislike",
}
_STANDARD = {
    "title": "title", "category": "category", "brand": "brand", "tags": "tags", "price": "price", "text": "text",
    "description": "text", "kind": "kind", "in_stock": "in_stock", "bid": "bid", "vector": "vector",
}  # fmt: skip
_FITS: dict[str, type | tuple[type, ...]] = {
    "title": str, "category": str, "brand": str, "text": str, "kind": str, "tags": list, "vector": list,
    "in_stock": bool, "price": (int, float), "bid": (int, float),
}  # fmt: skip

Mapped = list[tuple[Literal["events", "catalogue"], str | None, Any]]


class UnmappableError(ValueError):
    """A line that has no counterpart among our records, and why; never leaves the importer."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


def map_metarank(line: Mapping[str, Any]) -> Mapped:
    """Our records for one line. Raises UnmappableError."""
    kind = line.get("event")
    if kind == "item":
        item_id = _text(line, "item")
        return [("catalogue", item_id, _item(item_id, _fields(line)))]
    if kind == "ranking":
        return _ranking(line)
    if kind == "interaction":
        event = _interaction(line)
        return [("events", event["user_id"], event)]
    raise UnmappableError("unknown_type", f"event: found {kind!r}, must be 'item', 'ranking' or 'interaction'")


def _item(item_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {"item_id": item_id}
    further: dict[str, Any] = {}
    for name, value in fields.items():
        standard = _STANDARD.get(name)
        given = [value] if standard == "tags" and isinstance(value, str) else value
        if standard is not None and isinstance(given, _FITS[standard]):
            item[standard] = given
        else:
            further[name] = int(value) if isinstance(value, bool) else value
    if further:
        item["fields"] = further
    return item


def _ranking(line: Mapping[str, Any]) -> Mapped:
    slate_id, fields = _text(line, "id"), _fields(line)
    surface = fields.pop("surface", "home")
    query = fields.pop("query", None)
    common = {**_common(line), **_context(fields)}
    items = _items(line)
    rank = {**common, "event_id": f"{slate_id}:rank", "type": "rank", "request_id": slate_id, "surface": surface,
            "items": items}  # fmt: skip
    if query:
        rank["query"] = query
    shown = [{"item_id": item["item_id"], "position": item["position"]} for item in items]
    seen = {**common, "event_id": f"{slate_id}:impression", "type": "impression", "slate_id": slate_id,
            "surface": surface, "items": shown}  # fmt: skip
    user_id = common["user_id"]
    return [("events", user_id, rank), ("events", user_id, seen)]


def _items(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = line.get("items")
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise UnmappableError("wrong_type", f"items: found {str(given)[:80]}, must be a list of objects")
    items = [{"item_id": _text(item, "id"), "position": position} for position, item in enumerate(given)]
    relevances = [_fields(item).get("relevancy") for item in given]
    # A log that knows no relevance says 0 everywhere.
    if any(relevances):
        for item, relevance in zip(items, relevances, strict=True):
            if relevance is not None:
                item["relevance"] = relevance
    return items


def _interaction(line: Mapping[str, Any]) -> dict[str, Any]:
    kind = line.get("type")
    if not isinstance(kind, str) or kind not in _INTERACTIONS:
        raise UnmappableError("unknown_type", f"type: found {kind!r}, must be one of {', '.join(_INTERACTIONS)}")
    fields = _fields(line)
    event = {
        **_common(line),
        "event_id": _text(line, "id"),
        "type": _INTERACTIONS[kind],
        "item_id": _text(line, "item"),
    }
    if line.get("ranking"):
        event["slate_id"] = line["ranking"]
    if event["type"] in {"cart", "order"}:
        event |= {name: fields.pop(name) for name in ("price", "quantity") if name in fields}
    return {**event, **_context(fields)}


def _common(line: Mapping[str, Any]) -> dict[str, Any]:
    """Metarank knows visitors without an account only by their session."""
    user_id = _text(line, "user") if line.get("user") else _text(line, "session")
    common = {"user_id": user_id, "occurred_at_ms": _time_ms(line)}
    if line.get("session"):
        common["session_id"] = line["session"]
    return common


def _context(fields: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in fields.items() if isinstance(value, (str, int, float, bool))}
    return {"context": plain} if plain else {}


def _fields(line: Mapping[str, Any]) -> dict[str, Any]:
    given = line.get("fields")
    if not given:
        return {}
    try:
        return {str(field["name"]): field["value"] for field in given}
    except (TypeError, KeyError) as error:
        raise UnmappableError(
            "wrong_type", f"fields: found {str(given)[:80]}, must be a list of name and value"
        ) from error


def _text(line: Mapping[str, Any], name: str) -> str:
    value = line.get(name)
    if value is None:
        raise UnmappableError("missing_field", f"{name}: not in the line, needed")
    if not isinstance(value, str):
        raise UnmappableError("wrong_type", f"{name}: found {value!r}, must be a string")
    return value


def _time_ms(line: Mapping[str, Any]) -> int:
    """Milliseconds since the epoch: a number, a number in quotes, or ISO 8601 (without a zone: UTC)."""
    given = line.get("timestamp")
    try:
        if isinstance(given, int) or (isinstance(given, str) and given.isascii() and given.isdigit()):
            return int(given)
        if isinstance(given, str):
            at = datetime.fromisoformat(given)
            return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except ValueError:
        pass
    raise UnmappableError(
        "missing_field" if given is None else "wrong_type",
        f"timestamp: found {given!r}, must be milliseconds since the epoch or ISO 8601",
    )
