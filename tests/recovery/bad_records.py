"""Everything that a careless or hostile sender could put on `events` and `catalogue`, and why each is refused."""

import json
from typing import Any

NESTED = 100_000


def _edited(valid: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({**valid, **fields}).encode()


def _without(valid: dict[str, Any], name: str) -> bytes:
    return json.dumps({key: value for key, value in valid.items() if key != name}).encode()


def bad_events(user_id: str, now_ms: int) -> list[tuple[bytes | None, str]]:
    """(value, reason) of records that must be refused."""
    view: dict[str, Any] = {
        "type": "view", "event_id": "bad", "user_id": user_id, "occurred_at_ms": now_ms, "item_id": "i1",
    }  # fmt: skip
    dwell = {**view, "type": "dwell", "dwell_s": 1.0}
    impression = {**view, "type": "impression", "slate_id": "bad", "surface": "home"}
    whole = json.dumps(view).encode()
    return [
        (b"", "empty"),
        (None, "empty"),
        (whole[:-7], "not_json"),
        (whole + b"," + whole, "not_json"),
        (b"[" * NESTED, "not_json"),
        (b'"text"', "wrong_type"),
        (b"[]", "wrong_type"),
        (b"null", "wrong_type"),
        (b"\xff\xfe" + whole, "not_utf8"),
        (whole.replace(b"i1", b"i\xe9"), "not_utf8"),
        (whole.replace(b"i1", b"i\\ud800"), "not_json"),
        (_edited(view, type="clik"), "unknown_type"),
        (_edited(view, type=7), "wrong_type"),
        (_without(view, "type"), "missing_field"),
        (_without(view, "event_id"), "missing_field"),
        (_without(view, "user_id"), "missing_field"),
        (_without(view, "item_id"), "missing_field"),
        (_edited(view, user_id=5), "wrong_type"),
        (_edited(view, item_id=None), "wrong_type"),
        (_edited(view, occurred_at_ms="now"), "wrong_type"),
        (_edited(view, user_id=""), "impossible_value"),
        (_edited(impression, items="i1"), "wrong_type"),
        (_edited(impression, items=[]), "impossible_value"),
        (_edited(impression, items=[{"item_id": "i1", "position": -1}]), "impossible_value"),
        (_edited(impression, items=_items(501)), "too_many_items"),
        (_edited(impression, items=_items(10_000)), "too_large"),
        (_edited(view, item_id="x" * 257), "id_too_long"),
        (_edited(view, event_id="\u00e9" * 200), "id_too_long"),
        (_edited(view, item_id="x" * 1_000_000), "too_large"),
        (whole + b" " * 1_000_000, "too_large"),
        (_edited(dwell, dwell_s=-1), "impossible_value"),
        (_edited(dwell, dwell_s=float("nan")), "impossible_value"),
        (_edited(dwell, dwell_s=float("inf")), "impossible_value"),
        (_edited(dwell, dwell_s=float("-inf")), "impossible_value"),
        (_edited(dwell).replace(b"1.0", b"1e999"), "impossible_value"),
        (_edited(view, occurred_at_ms=-1), "impossible_value"),
        (_edited(view, occurred_at_ms=10**30), "impossible_value"),
        (_edited(view, occurred_at_ms=now_ms + 30 * 86_400_000), "time_too_far_ahead"),
        (_edited(view, occurred_at_ms=now_ms // 1000), "time_too_old"),
        (_edited(view, occurred_at_ms=0), "time_too_old"),
    ]


def bad_items() -> list[tuple[bytes, str]]:
    """(value, reason) of catalogue records that must be refused."""
    return [
        (b"", "empty"),
        (b'{"item_id": "i1"', "not_json"),
        (b"\xff", "not_utf8"),
        (b'{"price": 3}', "missing_field"),
        (b'{"item_id": 3}', "wrong_type"),
        (b'{"item_id": "i1", "price": -3}', "impossible_value"),
        (b'{"item_id": "i1", "price": NaN}', "impossible_value"),
        (json.dumps({"item_id": "i1", "text": "x" * 1_000_000}).encode(), "too_large"),
    ]


def _items(num: int) -> list[dict[str, Any]]:
    return [{"item_id": f"i{position}", "position": position} for position in range(num)]
