"""Events of one user at seconds after the start, and what an engine gave for them."""

from typing import Any

from streams.examples.records import Labels, Shown, decode_record
from streams.worker.outputs import Outputs
from tests.worker.event_log import START_MS


def decoded(outputs: Outputs) -> list[Shown | Labels]:
    return [decode_record(raw) for _, raw in outputs.examples]


def event(kind: str, at_s: float, event_id: str = "", **fields: Any) -> dict[str, Any]:
    at_ms = START_MS + int(at_s * 1000)
    return {"type": kind, "event_id": event_id or f"{kind}{at_s}", "user_id": "u1", "occurred_at_ms": at_ms, **fields}


def impression(at_s: float, *items: str, slate: str = "s1") -> dict[str, Any]:
    shown = [{"item_id": item, "position": place} for place, item in enumerate(items)]
    return event("impression", at_s, slate_id=slate, surface="home", items=shown)


def labels(outputs: Outputs) -> list[tuple[str, int, list[str], list[float]]]:
    return [(r.task, r.revision, r.items, r.values) for r in decoded(outputs) if isinstance(r, Labels)]
