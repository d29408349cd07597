"""A log of several topics on disk, in the order in which a single worker would have met it: by append time.

Within a partition the order of offsets holds, whatever the broker's clock did. Of records appended in the same
millisecond the catalogue comes first.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from streams.features.state_store import StateStore
from streams.kafka.topic_reader import ReadRecord

__all__ = ["LogSpool", "SpooledRecord"]

_KEY = struct.Struct(">qBIq")
_HEAD = struct.Struct(">qiI")
_NONE = -1
_BATCH = 1_000


@dataclass(slots=True)
class SpooledRecord:
    """A record of `events` or `catalogue`, as the engine takes it."""

    is_event: bool
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class LogSpool:
    """Records in, in any order of partitions; the whole log out, in order."""

    def __init__(self, folder: Path) -> None:
        self._store = StateStore(folder)
        self._latest_ms: defaultdict[tuple[bool, int], int] = defaultdict(int)

    def add(self, records: Iterable[ReadRecord], *, is_event: bool) -> int:
        """Take a topic's records, each partition in order; returns how many there were."""
        source, num = iter(records), 0
        while batch := list(islice(source, _BATCH)):
            self._store.write([self._packed(record, is_event=is_event) for record in batch])
            num += len(batch)
        return num

    def _packed(self, record: ReadRecord, *, is_event: bool) -> tuple[bytes, bytes]:
        place = (is_event, record.partition)
        at_ms = self._latest_ms[place] = max(self._latest_ms[place], record.appended_at_ms)
        key, value = record.key or b"", record.value or b""
        sizes = (_NONE if record.key is None else len(key), record.value is not None)
        head = _HEAD.pack(record.appended_at_ms, *sizes)
        return _KEY.pack(at_ms, is_event, record.partition, record.offset), head + key + value

    def __iter__(self) -> Iterator[SpooledRecord]:
        for place, raw in self._store.scan(b""):
            _, is_event, partition, offset = _KEY.unpack(place)
            appended_at_ms, key_size, has_value = _HEAD.unpack_from(raw)
            start = _HEAD.size + max(key_size, 0)
            yield SpooledRecord(
                bool(is_event), partition, offset, appended_at_ms,
                None if key_size == _NONE else raw[_HEAD.size : start],
                raw[start:] if has_value else None,
            )  # fmt: skip

    def close(self) -> None:
        """Release the folder."""
        self._store.close()
