"""A replay buffer in a folder, filled and read as the tests want it."""

from collections.abc import Callable
from pathlib import Path

from streams.examples.records import Labels, Shown
from streams.training.replay_buffer import AppendReport, ReplayBuffer
from tests.training.slates import START_MS, labels, shown

Record = Shown | Labels
OpenBuffer = Callable[..., ReplayBuffer]
BYTES = 1 << 30

# Two learnable slates with parts, corrections and late tasks, and labels of a slate that never comes.
HISTORY: tuple[Record, ...] = (
    shown("s1"),
    shown("s1", "cd", part=1, at_ms=START_MS + 5),
    labels("s1", "click", {"a": 1, "b": 0}),
    labels("s1", "click", {"a": 1, "b": 0, "c": 1, "d": 0}, revision=2),
    labels("s1", "dwell", {"a": 3}, censored=[True]),
    labels("s1", "dwell", {"a": 8, "c": 1}, censored=[False, False], revision=2),
    shown("s2", user_id="v"),
    labels("s2", "click", {"a": 0, "b": 0}, user_id="v"),
    labels("s2", "order", {"a": 0, "b": 1}, user_id="v"),
    labels("s3", "click", {"a": 0, "b": 0}),
)


def open_at(folder: Path, buffer_days: float = 14, buffer_max_bytes: int = BYTES) -> ReplayBuffer:
    return ReplayBuffer(folder, buffer_days=buffer_days, buffer_max_bytes=buffer_max_bytes)


def put(buffer: ReplayBuffer, *records: Record) -> AppendReport:
    """Append at the next offsets of partition 0."""
    start = buffer.next_offset(0) or 0
    return buffer.append(0, list(enumerate(records, start)), start + len(records))


def queue(buffer: ReplayBuffer, after_seq: int = 0) -> list[tuple[int, str, tuple[str, ...]]]:
    return [(entry.seq, entry.slate.slate_id, entry.tasks) for entry in buffer.ready(after_seq, 1000)]


def learnable(slate_id: str, at_ms: int = START_MS) -> list[Record]:
    return [shown(slate_id, at_ms=at_ms), labels(slate_id, "click", {"a": 1, "b": 0}, at_ms=at_ms)]
