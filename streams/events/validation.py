"""Checks of a whole log for `freshrank validate`: contract, order, ids, positions, join keys. Pure.

Ids are kept as hashes, so memory is a few hundred bytes per event. A check that finds something fails, unless a
share of it is normal in real logs: then it warns.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from streams.events.checked_log import CheckedRecord

__all__ = ["Check", "LogReport", "validate_log"]

MAX_EXAMPLES = 5
# Real logs miss some impressions: blockers, crashes, cut-off days.
UNSHOWN_FRAC = 0.01


@dataclass(slots=True)
class Check:
    """One question asked of many records. Fails when more than `tolerated_frac` of them are bad."""

    name: str
    tolerated_frac: float = 0.0
    checked: int = 0
    bad: int = 0
    examples: list[str] = field(default_factory=list)

    def see(self, is_good: bool, line: int, what: str) -> None:  # noqa: FBT001 - reads as a sentence where called
        """Count one record; keep the first few bad ones as examples."""
        self.checked += 1
        if not is_good:
            self.bad += 1
            if len(self.examples) < MAX_EXAMPLES:
                self.examples.append(f"line {line}: {what}")

    @property
    def status(self) -> Literal["PASS", "WARN", "FAIL"]:
        """PASS: nothing bad; WARN: no more than is normal; FAIL: more."""
        if self.bad == 0:
            return "PASS"
        return "WARN" if self.bad <= self.tolerated_frac * self.checked else "FAIL"


@dataclass(slots=True)
class LogReport:
    """What a log holds and how it did. `records`: number by kind."""

    lines: int
    records: dict[str, int]
    checks: list[Check]

    @property
    def is_passed(self) -> bool:
        """No check failed."""
        return all(check.status != "FAIL" for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """What `freshrank validate --json` prints."""
        return {
            "lines": self.lines,
            "records": self.records,
            "checks": [{**asdict(check), "status": check.status} for check in self.checks],
            "passed": self.is_passed,
        }


class _LogChecks:
    def __init__(self, allowed_lateness_s: float) -> None:
        self._lateness_ms = int(allowed_lateness_s * 1000)
        self._latest_ms = 0
        self._event_ids: set[int] = set()
        self._shown: set[int] = set()
        self._acted: list[tuple[int, str, str, int]] = []
        self._catalogued: set[int] = set()
        self._uncatalogued: dict[str, int] = {}
        self.contract = Check("every record keeps the contract")
        self.order = Check(f"event times go back by at most {allowed_lateness_s:g} s")
        self.ids = Check("event ids are unique per user")
        self.positions = Check("a list has each item and each position once")
        self.joins = Check("an action on a slate follows an impression of that item in it", UNSHOWN_FRAC)
        self.catalogued = Check("items that events name are in the catalogue", 1.0)

    def see(self, record: CheckedRecord) -> None:
        refusal = record.refusal
        self.contract.see(refusal is None, record.line, f"{refusal.reason}: {refusal.detail}" if refusal else "")
        if refusal is None and record.topic == "catalogue":
            self._catalogued.add(hash(record.key))
        elif refusal is None:
            self._see_event(record.line, record.value)

    def _see_event(self, line: int, event: dict[str, Any]) -> None:
        at_ms, user_id, event_id = event["occurred_at_ms"], event["user_id"], event["event_id"]
        behind_ms = self._latest_ms - at_ms
        self.order.see(behind_ms <= self._lateness_ms, line, f"{behind_ms / 1000:g} s behind an earlier line")
        self._latest_ms = max(self._latest_ms, at_ms)
        known = hash((user_id, event_id))
        self.ids.see(known not in self._event_ids, line, f"event_id {event_id!r} of user {user_id!r} came before")
        self._event_ids.add(known)
        for item_id in _item_ids(event):
            if hash(item_id) not in self._catalogued:
                self._uncatalogued.setdefault(item_id, line)
        self._see_list(line, event)
        if "item_id" in event and "slate_id" in event:
            self._acted.append((line, event["type"], event["slate_id"], hash((event["slate_id"], event["item_id"]))))

    def _see_list(self, line: int, event: dict[str, Any]) -> None:
        items = event.get("items")
        if items is None:
            return
        positions = [item["position"] for item in items if "position" in item]
        num_items = len({item["item_id"] for item in items})
        is_good = num_items == len(items) and len(set(positions)) == len(positions)
        self.positions.see(is_good, line, f"{len(items)} places, {num_items} items, {len(set(positions))} positions")
        if event["type"] == "impression":
            self._shown.update(hash((event["slate_id"], item["item_id"])) for item in items)

    def close(self) -> list[Check]:
        for line, kind, slate_id, key in self._acted:
            self.joins.see(key in self._shown, line, f"{kind} on slate {slate_id!r} that did not show the item")
        self.catalogued.checked = len(self._catalogued)
        for item_id, line in self._uncatalogued.items():
            if hash(item_id) not in self._catalogued:
                self.catalogued.see(False, line, f"item {item_id!r} has no catalogue record")  # noqa: FBT003
        return [self.contract, self.order, self.ids, self.positions, self.joins, self.catalogued]


def validate_log(records: Iterable[CheckedRecord], allowed_lateness_s: float) -> LogReport:
    """All checks over a log, in one pass."""
    checks, kinds, last_line = _LogChecks(allowed_lateness_s), Counter[str](), 0
    for record in records:
        checks.see(record)
        kinds[_kind(record)] += 1
        last_line = record.line
    return LogReport(last_line, dict(sorted(kinds.items())), checks.close())


def _kind(record: CheckedRecord) -> str:
    if record.refusal is not None:
        return "refused"
    if record.topic == "catalogue":
        return "item" if record.value else "item removed"
    return str(record.value["type"])


def _item_ids(event: dict[str, Any]) -> Iterator[str]:
    if "item_id" in event:
        yield event["item_id"]
    yield from (item["item_id"] for item in event.get("items", ()))
