"""When a worker flushes: soon while little happens, seldom while much does, and at once when the flow stops.

A flush costs a Kafka transaction per partition, whatever is in it, and what changed twice meanwhile is written once. So
under load it rests four times as long as it took, and a fifth of the time at most goes into flushes. Before partitions
move there is no rest: they stand still until all that came is flushed.
"""

__all__ = ["FlushPace"]

REST = 4.0
# The flow has stopped when nothing came for so long.
STILL_S = 0.25
# What was under way when a rest was called off is flushed within this.
HURRY_S = 1.0


class FlushPace:
    """Times in seconds of one monotonic clock. Pauses are `shortest_s` at least, and `longest_s` in a backlog."""

    def __init__(self, shortest_s: float, longest_s: float) -> None:
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._chunk_s = self._full_chunk_s = self._ended_s = float("-inf")
        self._rest_s = 0.0
        self._hurry_until_s = float("-inf")

    def chunk_taken(self, now_s: float, *, is_full: bool) -> None:
        """Events came; a full chunk says that more wait."""
        self._chunk_s = now_s
        if is_full:
            self._full_chunk_s = now_s

    def flushed(self, began_s: float, ended_s: float) -> None:
        """A flush is over."""
        self._ended_s, self._rest_s = ended_s, REST * (ended_s - began_s)

    def hurry(self, now_s: float) -> None:
        """Somebody waits for what came so far to be flushed."""
        self._hurry_until_s = now_s + HURRY_S

    def is_due(self, now_s: float) -> bool:
        """Whether to flush now."""
        rested_s = now_s - self._ended_s
        return self._shortest_s <= rested_s and self._wanted_s(now_s) <= rested_s

    def _wanted_s(self, now_s: float) -> float:
        if now_s < self._hurry_until_s:
            return 0.0
        if now_s - self._full_chunk_s < STILL_S:
            return self._longest_s
        if now_s - self._chunk_s < STILL_S:
            return min(self._rest_s, self._longest_s)
        return 0.0
