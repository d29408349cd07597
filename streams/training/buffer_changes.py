"""What one append or trim changes in the replay buffer: gathered in memory, then written as one batch.

Also keeps the account: which entries stand in the ready queue, and how many bytes every slate takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from streams.examples.records import Labels, Shown, encode_record
from streams.training.buffer_keys import head_key, part_key, queue_key, time_key
from streams.training.buffered_slate import SlateHead, join
from streams.training.content_table import ContentTable

__all__ = ["BufferFacts", "Changes", "QueueRow", "accounted_bytes", "decode_head", "encode"]

# Keys, queue rows and time row of a slate beside head and parts, in times the length of its key; RocksDB's own aside.
KEY_COPIES = 6
_ENCODER = msgspec.json.Encoder()
_HEADS = msgspec.json.Decoder(SlateHead)


class BufferFacts(msgspec.Struct):
    """What is true of the whole buffer, stored with every batch. `event_time_ms`: the newest seen.

    `num_slates` counts slates with a `shown` part; `num_bytes` all records, before compression.
    """

    next_offsets: dict[int, int] = msgspec.field(default_factory=dict)
    last_seq: int = 0
    num_slates: int = 0
    num_bytes: int = 0
    labels_without_shown: int = 0
    event_time_ms: int = 0


class QueueRow(msgspec.Struct, array_like=True):
    """An entry of the queue. `is_first`: the slate became learnable here; `is_ready`: some task stands here."""

    user_id: str
    slate_id: str
    is_first: bool
    is_ready: bool


def decode_head(raw: bytes) -> SlateHead:
    """The head in `raw`."""
    return _HEADS.decode(raw)


def encode(value: msgspec.Struct) -> bytes:
    """JSON bytes."""
    return _ENCODER.encode(value)


def accounted_bytes(slate: bytes, raw_head: bytes, head: SlateHead) -> int:
    """What a slate takes."""
    return len(raw_head) + sum(part.num_bytes for part in head.parts.values()) + KEY_COPIES * len(slate)


@dataclass(slots=True)
class Changes:
    """Pending writes, and the entries that are put, stop being ready, or go. `facts` are changed in place."""

    facts: BufferFacts
    contents: ContentTable
    writes: dict[bytes, bytes | None] = field(default_factory=dict)
    heads: dict[bytes, SlateHead] = field(default_factory=dict)
    rows: dict[int, QueueRow] = field(default_factory=dict)
    superseded: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    _loaded: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def load(self, slates: Sequence[bytes], raws: Sequence[bytes | None]) -> None:
        """Heads as they are stored."""
        for slate, raw in zip(slates, raws, strict=True):
            if raw is not None:
                self.heads[slate] = head = decode_head(raw)
                self._loaded[slate] = (accounted_bytes(slate, raw, head), head.at_ms)

    def take(self, slate: bytes, record: Shown | Labels) -> None:
        """Join a record to its slate."""
        head = self.heads.setdefault(slate, SlateHead(record.user_id, record.slate_id))
        num_bytes = 0
        if isinstance(record, Shown):
            num_bytes = self._take_shown(slate, head, record)
        else:
            self.facts.event_time_ms = max(self.facts.event_time_ms, record.shown_at_ms, record.watermark_ms)
        before, was_learnable, seq = head.queued(), head.is_learnable, self.facts.last_seq + 1
        if join(head, record, num_bytes, seq):
            self.facts.last_seq = seq
            self.rows[seq] = QueueRow(head.user_id, head.slate_id, is_first=not was_learnable, is_ready=True)
            self._supersede(head, before)

    def _take_shown(self, slate: bytes, head: SlateHead, shown: Shown) -> int:
        if shown.part in head.parts:
            return 0
        self.writes.update(self.contents.take(shown))
        self.facts.num_slates += not head.parts
        self.facts.event_time_ms = max(self.facts.event_time_ms, shown.shown_at_ms)
        raw = encode_record(msgspec.structs.replace(shown, content=None))
        self.writes[part_key(slate, shown.part)] = raw
        return len(raw)

    def _supersede(self, head: SlateHead, before: set[int]) -> None:
        """Entries whose tasks all moved to a newer one; the first stays, to be drawn from for replay."""
        for seq in before - set(head.seqs.values()):
            self.superseded.add(seq)
            if seq == head.first_seq:
                self.rows[seq] = QueueRow(head.user_id, head.slate_id, is_first=True, is_ready=False)
            elif self.rows.pop(seq, None) is None:
                self.writes[queue_key(seq)] = None

    def settle(self) -> None:
        """Turn changed heads and new entries into writes."""
        for slate, head in self.heads.items():
            raw = encode(head)
            num_bytes, at_ms = self._loaded.get(slate, (0, -1))
            self.facts.num_bytes += accounted_bytes(slate, raw, head) - num_bytes
            self.writes[head_key(slate)] = raw
            if at_ms != head.at_ms:
                if at_ms >= 0:
                    self.writes[time_key(at_ms, slate)] = None
                self.writes[time_key(head.at_ms, slate)] = b""
        for seq, row in self.rows.items():
            self.writes[queue_key(seq)] = encode(row)

    def drop(self, slate: bytes) -> None:
        """Remove a loaded slate with all that belongs to it."""
        head = self.heads.pop(slate)
        num_bytes, at_ms = self._loaded.pop(slate)
        self.dropped |= head.queued()
        gone = [head_key(slate), time_key(at_ms, slate), *(part_key(slate, part) for part in head.parts)]
        self.writes.update(dict.fromkeys([*gone, *map(queue_key, head.queued())]))
        self.facts.num_bytes -= num_bytes
        if head.parts:
            self.facts.num_slates -= 1
        else:
            self.facts.labels_without_shown += len(head.labels)
