"""One `events` partition at work: records in, changed state and outputs out. No Kafka, no clock.

Events are applied strictly in offset order, and due label windows close before the event that is past them, so results
do not depend on how records are cut into chunks. Records that the state includes already only mark what they touch for
publishing again.
"""

from collections.abc import Sequence
from typing import Any

from streams.events.decode import decode_events
from streams.events.event_time import settle_time
from streams.events.rejection import Rejected
from streams.examples.label_windows import close_due, next_deadline_ms, retained_until_ms
from streams.examples.slates import Slate
from streams.features.user_state import Offer
from streams.kafka.partitioner import partition_for
from streams.ranking.record import MadeList
from streams.settings import Settings
from streams.worker.handlers import HANDLERS
from streams.worker.list_capture import ListCapture
from streams.worker.moment import Moment
from streams.worker.outputs import Forgotten, Outputs, SourceRecord
from streams.worker.partition_state import PartitionState

__all__ = ["Partition"]

# A watermark beyond every time that an event can have.
FOREVER_MS = 1 << 62
# Beyond the cap one slate in so many leaves at once, as finding the oldest costs a pass over all.
EVICTED_SHARE = 20


class Partition:
    """Applies records of one partition to its state."""

    def __init__(self, state: PartitionState, settings: Settings, lists: ListCapture) -> None:
        self.state = state
        self._settings, self._lists = settings, lists
        self._lateness_ms = int(settings.worker.allowed_lateness_s * 1000)
        self._longest_ms = max(state.plan.window_ms.values())

    @property
    def watermark_ms(self) -> int:
        """Event time before which nothing more is expected."""
        watermark_ms = self.state.max_event_ms - self._lateness_ms
        return watermark_ms if watermark_ms > 0 else 0  # noqa: FURB136 - max() takes thrice as long

    def process(self, records: Sequence[SourceRecord]) -> Outputs:
        """Apply records in offset order; they may have been applied before, in part or whole."""
        out = Outputs()
        events, rejected = decode_events([record.value for record in records])
        refusals = {refusal.index: refusal for refusal in rejected}
        for index, record in enumerate(records):
            event: Any = events[index]
            if record.offset <= self.state.offset:
                self._republish(record, event, out)
                continue
            self.state.offset = record.offset
            if event is None:
                out.rejected.append((record, refusals[index]))
            else:
                self._take(record, event, out)
        return out

    def _take(self, record: SourceRecord, event: dict[str, Any], out: Outputs) -> None:
        if event["type"] == "watermark":
            self._take_watermark(record, event["occurred_at_ms"], out)
            return
        at_ms = settle_time(event["occurred_at_ms"], record.timestamp, self._settings.worker.max_ahead_s)
        if isinstance(at_ms, str):
            detail = f"occurred_at_ms: found {event['occurred_at_ms']}, appended at {record.timestamp}"
            out.rejected.append((record, Rejected(0, at_ms, detail)))
            return
        user_id = event["user_id"]
        if partition_for(user_id, self._settings.num_partitions) != self.state.number:
            out.misplaced.append((user_id, record))
            return
        if self.state.forgotten.is_of_before(user_id, at_ms, self.state.max_event_ms):
            out.counts["of_forgotten"] += 1
            return
        user = self.state.user(user_id)
        if not self.state.is_new_event(user, event["event_id"], at_ms):
            out.counts["duplicate"] += 1
            return
        out.counts["clamped"] += at_ms < event["occurred_at_ms"]
        out.counts["late"] += at_ms < self.watermark_ms
        watermark_ms = self.advance(at_ms, out)
        out.counts[event["type"]] += 1
        moment = Moment(self.state, self._settings, out, user, at_ms, record.timestamp, watermark_ms, self._lists)
        HANDLERS[event["type"]](moment, event)

    def _take_watermark(self, record: SourceRecord, at_ms: int, out: Outputs) -> None:
        """Close the windows that end before `at_ms`; the clock stays, so slates shown later have their whole window."""
        furthest_ms = record.timestamp + self._longest_ms + self._settings.worker.max_ahead_s * 1000
        if at_ms > furthest_ms:
            detail = f"occurred_at_ms: found {at_ms}, appended at {record.timestamp}, must be at most {furthest_ms}"
            out.rejected.append((record, Rejected(0, "time_too_far_ahead", detail)))
        else:
            out.counts["watermark"] += 1
            self._close_windows(at_ms, out)

    def note_list(self, made: MadeList) -> None:
        """Remember how an explored list was drawn: its impression is learned from with these chances."""
        record = made.record
        propensity = record["propensity"]
        if record["policy"] == "score" or propensity is None:
            return
        user = self.state.users.get(record["user_id"])
        if user is None:  # forgotten since the list was asked for
            return
        offer = Offer(
            record["slate_id"], record["policy"], record["model_version"], made.slots, propensity, record["surface"]
        )
        user.add_offer(offer)
        self.state.users.put(user.user_id, user)

    def _republish(self, record: SourceRecord, event: Any, out: Outputs) -> None:
        """The state holds this event, but a crash may have come before its rows and counts were published."""
        out.counts["replayed"] += 1
        if event is None or not self._was_ours(record, event):
            return
        if event["type"] == "forget":
            out.forgotten.append(Forgotten(event["user_id"]))
        self.state.dirty_users.add(event["user_id"])
        self.state.dirty_items.update(self.state.counted_by(record.offset))

    def _was_ours(self, record: SourceRecord, event: dict[str, Any]) -> bool:
        """Whether the event was applied here: not refused for its time, sent on, or a watermark."""
        at_ms = settle_time(event["occurred_at_ms"], record.timestamp, self._settings.worker.max_ahead_s)
        is_here = partition_for(event["user_id"], self._settings.num_partitions) == self.state.number
        return event["type"] != "watermark" and is_here and not isinstance(at_ms, str)

    def advance(self, event_ms: int, out: Outputs) -> int:
        """Move the partition's clock, never back, and close the label windows that are over; returns the watermark."""
        self.state.max_event_ms = max(self.state.max_event_ms, event_ms)
        watermark_ms = self.watermark_ms
        self._close_windows(watermark_ms, out)
        excess = len(self.state.deadlines) - self._settings.labels.open_slates_max
        if excess > 0:
            self._close_oldest(excess + self._settings.labels.open_slates_max // EVICTED_SHARE, out)
        return watermark_ms

    def _close_windows(self, watermark_ms: int, out: Outputs) -> None:
        while (key := self.state.deadlines.pop_due(watermark_ms)) is not None:
            self._attend(key, watermark_ms, out)

    def _close_oldest(self, num: int, out: Outputs) -> None:
        """Send the labels of the oldest slates as they are, and forget these slates: memory has a ceiling."""
        for key in self.state.deadlines.pop_oldest(num):
            slate = self.state.slates.get(key)
            if slate is not None:
                out.counts["slate_closed_early"] += 1
                self._close(slate, FOREVER_MS, out)

    def _attend(self, key: str, watermark_ms: int, out: Outputs) -> None:
        slate = self.state.slates.get(key)
        # Entries go stale when a waiting slate is shown: another one stands for it then.
        if slate is None or next_deadline_ms(slate, self.state.plan) > watermark_ms:
            return
        self._close(slate, watermark_ms, out)

    def _close(self, slate: Slate, watermark_ms: int, out: Outputs) -> None:
        for task in close_due(slate, watermark_ms, self.state.plan):
            record = self.state.labels(slate, task, self.watermark_ms)
            if record is not None:
                out.example(record)
                out.counts[f"labels_{task}"] += 1
        if retained_until_ms(slate, self.state.plan) <= watermark_ms:
            out.counts["action_without_slate"] += 0 if slate.shown_at_ms else len(slate.waiting)
            self.state.slates.delete(slate.key)
            return
        self.state.slate_changed(slate)
        self.state.deadlines.add(next_deadline_ms(slate, self.state.plan), slate)
