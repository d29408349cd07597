"""Which events of a user were seen already: ids of the last 24 h of event time, and at least the last 256.

Ids are kept as 64-bit hashes in segments of 64, so that a new event rewrites one small record, not the whole memory.
"""

import hashlib

import msgspec

__all__ = ["EventIds", "Segment", "event_hash"]

HORIZON_MS = 86_400_000
MIN_REMEMBERED = 256
SEGMENT_SIZE = 64


def event_hash(event_id: str) -> int:
    """A stable 64-bit hash; two ids of one user's day collide with a chance below 1e-12."""
    return int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=8).digest(), "big")


class Segment(msgspec.Struct, array_like=True):
    """Up to 64 ids; `newest_ms` is the latest event time among them."""

    number: int
    newest_ms: int
    hashes: list[int]


class EventIds:
    """The remembered ids of one user, oldest segment first."""

    def __init__(self, segments: list[Segment]) -> None:
        self.segments = segments
        self._seen = {h for segment in segments for h in segment.hashes}

    def is_new(self, event_id: str, at_ms: int) -> bool:
        """Remember the id; False when it was remembered already."""
        hashed = event_hash(event_id)
        if hashed in self._seen:
            return False
        self._seen.add(hashed)
        last = self.segments[-1] if self.segments else None
        if last is None or len(last.hashes) >= SEGMENT_SIZE:
            last = Segment(last.number + 1 if last else 0, at_ms, [])
            self.segments.append(last)
        last.hashes.append(hashed)
        last.newest_ms = max(last.newest_ms, at_ms)
        return True

    def forget_old(self, now_ms: int) -> list[int]:
        """Drop segments that are older than the horizon and not among the last 256 ids; returns their numbers."""
        if not self.segments or self.segments[0].newest_ms > now_ms - HORIZON_MS:
            return []
        dropped: list[int] = []
        num_ids = sum(len(segment.hashes) for segment in self.segments)
        while self.segments:
            first = self.segments[0]
            if first.newest_ms > now_ms - HORIZON_MS or num_ids - len(first.hashes) < MIN_REMEMBERED:
                break
            num_ids -= len(first.hashes)
            self._seen.difference_update(first.hashes)
            dropped.append(first.number)
            del self.segments[0]
        return dropped
