"""Why a record was refused: a closed vocabulary of reasons, and a sentence that names the field and its value.

Reasons are few, so that they can be counted; the detail is for a person. Translates pydantic's errors, nothing else.
"""

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

__all__ = ["EXPLANATIONS", "REASONS", "Reason", "Rejected", "reason_and_detail"]

Reason = Literal[
    "empty",
    "too_large",
    "not_utf8",
    "not_json",
    "unknown_type",
    "missing_field",
    "wrong_type",
    "impossible_value",
    "id_too_long",
    "too_many_items",
    "time_too_far_ahead",
    "time_too_old",
]
REASONS: tuple[Reason, ...] = get_args(Reason)

EXPLANATIONS: dict[Reason, str] = {
    "empty": "The record has no value. Events are never removed one by one; to remove a user send a `forget` event.",
    "too_large": "The record is above 256 kB. Send what is seen in several events of the same slate_id.",
    "not_utf8": "The bytes are not UTF-8. Encode JSON as UTF-8; a compressed or binary value is not read.",
    "not_json": "The bytes are not one JSON object: cut off, several at once, or another format.",
    "unknown_type": "The event's `type` is none of ours. `freshrank schema --topic events` lists them.",
    "missing_field": "A field that is needed is not there.",
    "wrong_type": "A field has another JSON type than the contract says; a number in quotes and null are such cases.",
    "impossible_value": "A value cannot be true: negative, not finite, empty, or beyond its limit.",
    "id_too_long": "An id has more than 256 bytes of UTF-8. Send a hash of it.",
    "too_many_items": "A list or map has too many entries: 500 items, 64 of a context, 256 fields, 4,096 numbers. Send "
    "what is seen in several events of the same slate_id.",
    "time_too_far_ahead": "The event time lies more than a day after Kafka received it. Correct the sender's clock; "
    "occurred_at_ms counts milliseconds.",
    "time_too_old": "The event time lies before the year 2000: a clock that was never set, or seconds sent as "
    "milliseconds.",
}

_BY_ERROR: dict[str, Reason] = {
    "union_tag_not_found": "missing_field",
    "missing": "missing_field",
    "string_too_long": "id_too_long",
    "too_long": "too_many_items",
    "json_invalid": "not_json",
    "union_tag_invalid": "unknown_type",
}
# Free maps: their values are unions, and pydantic reports every branch that did not match.
_FREE_MAPS = {
    "context": "must be a string, a number, true, false or null",
    "fields": "must be a string, a number or a list of them",
}
_NOT_IDS = ("query", "context", "fields", "title", "text")
_SHOWN_CHARS = 80
# Of a list or a map that fills its record only the beginning is written out: all of it takes 100 ms.
_BEGINNING = reprlib.Repr()
_BEGINNING.maxlevel, _BEGINNING.maxlist, _BEGINNING.maxdict = 5, 30, 30
_BEGINNING.maxstring = _BEGINNING.maxlong = _SHOWN_CHARS


@dataclass(frozen=True, slots=True)
class Rejected:
    """One refused record: its place in the given sequence, why, and a sentence for a person."""

    index: int
    reason: Reason
    detail: str


def reason_and_detail(error: ValidationError, path_start: int = 0) -> tuple[Reason, str]:
    """What a validation error of pydantic means. `path_start`: places of its path to leave out (a union's tag)."""
    first = error.errors(include_url=False)[0]
    path = tuple(first["loc"][path_start:])
    found = first["input"]
    if first["type"] == "json_invalid":
        return "not_json", f"record: {first['msg'].removeprefix('Invalid JSON: ')}; needed one JSON object"
    if isinstance(found, float) and not math.isfinite(found):
        return "impossible_value", f"{_dotted(path)}: found {found}, needed a finite number"
    if first["type"].startswith("union_tag"):
        return _wrong_tag(first)
    if first["type"] == "missing":
        return "missing_field", f"{_dotted(path)}: not in the record, needed"
    return _reason(first["type"], path), f"{_dotted(path)}: found {_shown(found)}, {_needed(first, path)}"


def _reason(kind: str, path: Sequence[int | str]) -> Reason:
    if kind == "string_too_long" and path and path[0] in _NOT_IDS:
        return "impossible_value"
    if kind.endswith("_type"):
        return "wrong_type"
    return _BY_ERROR.get(kind, "impossible_value")


def _wrong_tag(error: ErrorDetails) -> tuple[Reason, str]:
    context = error.get("ctx", {})
    if "tag" not in context:
        return "missing_field", "type: not in the record, needed"
    tag = error["input"].get("type")
    if not isinstance(tag, str):
        return "wrong_type", f"type: found {_shown(tag)}, must be a string"
    public = context["expected_tags"].replace(", 'watermark'", "")
    return "unknown_type", f"type: found {_shown(tag)}, must be one of {public}"


def _needed(error: ErrorDetails, path: Sequence[int | str]) -> str:
    if path and path[0] in _FREE_MAPS and error["type"].endswith("_type"):
        return _FREE_MAPS[str(path[0])]
    message = error["msg"]
    return message.replace("Input should be", "must be").replace("should", "must")


def _dotted(path: Sequence[int | str]) -> str:
    shown = path[:2] if path and path[0] in _FREE_MAPS else path
    return ".".join(map(str, shown)) or "record"


def _shown(value: object) -> str:
    text = repr(value[:_SHOWN_CHARS]) if isinstance(value, (str, bytes)) else _BEGINNING.repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
