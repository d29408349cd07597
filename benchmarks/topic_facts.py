"""What the topics say of a run, with Kafka's append times: actions, lists, requests, examples, models.

Read once, after the run, so that nothing that is measured depends on how fast the benchmark reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from benchmarks.live_run import Record, read_all
from benchmarks.refreshes import Refresh, Trigger
from models.tasks import CLICK_TASK
from streams.examples.records import Labels, Shown, decode_record
from streams.settings import Settings
from streams.training.announcement import decode_announcement
from streams.worker.handlers import TRIGGERS

__all__ = ["TopicFacts", "read_facts"]


class _Item(msgspec.Struct, frozen=True):
    item_id: str


class _Event(msgspec.Struct, frozen=True):
    type: str
    event_id: str
    user_id: str
    occurred_at_ms: int
    request_id: str = ""
    slate_id: str = ""
    item_id: str = ""
    items: list[_Item] = []


class _List(msgspec.Struct, frozen=True):
    slate_id: str
    user_id: str
    surface: str
    cause: Literal["event", "request", "model"]
    model_version: int
    scored_at_ms: int
    features_as_of_ms: int


_EVENT, _LIST = msgspec.json.Decoder(_Event), msgspec.json.Decoder(_List)


@dataclass(slots=True)
class TopicFacts:
    """Between two moments of append time for events; everything for what followed. Times in milliseconds.

    `user_events`, `item_events`: (id, occurred, appended) of each event, if kept; `asked_ms`, `answered_ms`: append of
    requests and of their lists; `slates`: (user, slate) of impressions; `versions`: (scored, version) of each list;
    `examples_ms`: append of the first click labels of a slate; `announced_ms`: by version.
    """

    settings: Settings
    from_ms: int
    to_ms: int
    keeps_events: bool
    triggers: list[Trigger] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    user_events: list[tuple[str, int, int]] = field(default_factory=list)
    item_events: list[tuple[str, int, int]] = field(default_factory=list)
    asked_ms: dict[str, int] = field(default_factory=dict)
    answered_ms: dict[str, int] = field(default_factory=dict)
    slates: set[tuple[str, str]] = field(default_factory=set)
    shown: set[tuple[str, str]] = field(default_factory=set)
    labelled: set[tuple[str, str]] = field(default_factory=set)
    versions: list[tuple[int, int]] = field(default_factory=list)
    examples_ms: list[int] = field(default_factory=list)
    announced_ms: dict[int, int] = field(default_factory=dict)
    num_lists: dict[str, int] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def on_event(self, record: Record) -> None:
        """A record of `events`."""
        if not self.from_ms <= record.timestamp < self.to_ms or record.value is None:
            return
        event = _EVENT.decode(record.value)
        if event.type == "watermark" or (event.user_id, event.event_id) in self._seen:
            return
        self._seen.add((event.user_id, event.event_id))
        if event.type == "rank":
            self.asked_ms[event.request_id] = record.timestamp
            return
        if event.type == "impression":
            self.slates.add((event.user_id, event.slate_id))
        if self.keeps_events:
            self._keep(event, record.timestamp)
        if event.type in TRIGGERS:
            self.triggers.append(Trigger(event.user_id, event.occurred_at_ms, record.timestamp))

    def _keep(self, event: _Event, appended_ms: int) -> None:
        self.user_events.append((event.user_id, event.occurred_at_ms, appended_ms))
        item_ids = [event.item_id] if event.item_id else [item.item_id for item in event.items]
        self.item_events += [(item_id, event.occurred_at_ms, appended_ms) for item_id in item_ids]

    def on_list(self, record: Record) -> None:
        """A record of `rankings`."""
        if record.value is None or record.timestamp < self.from_ms:
            return
        found = _LIST.decode(record.value)
        self.versions.append((found.scored_at_ms, found.model_version))
        self.num_lists[found.cause] = self.num_lists.get(found.cause, 0) + 1
        if found.cause == "request":
            self.answered_ms[found.slate_id] = record.timestamp
        elif found.surface in self.settings.ranking.surfaces:
            times = record.timestamp, found.scored_at_ms, found.features_as_of_ms
            self.refreshes.append(Refresh(found.user_id, *times, found.cause == "event"))

    def on_example(self, record: Record) -> None:
        """A record of `training-examples`."""
        example = decode_record(record.value or b"")
        if isinstance(example, Shown):
            self.shown.add((example.user_id, example.slate_id))
        elif isinstance(example, Labels) and example.task == CLICK_TASK and example.is_closed:
            slate = (example.user_id, example.slate_id)
            if slate not in self.labelled and self.from_ms <= record.timestamp < self.to_ms:
                self.examples_ms.append(record.timestamp)
            self.labelled.add(slate)

    def on_model(self, record: Record) -> None:
        """A record of `model-updates`."""
        if record.value is not None:
            self.announced_ms.setdefault(decode_announcement(record.value).version, record.timestamp)


async def read_facts(
    settings: Settings, from_ms: int, to_ms: int, topics: Sequence[str], *, keeps_events: bool = False
) -> TopicFacts:
    """Read these topics (short names) to their present ends. `keeps_events`: each event's users and items too."""
    facts = TopicFacts(settings, from_ms, to_ms, keeps_events)
    takers = {
        "events": facts.on_event,
        "rankings": facts.on_list,
        "training-examples": facts.on_example,
        "model-updates": facts.on_model,
    }
    for short in topics:
        await read_all(settings, short, takers[short])
    return facts
