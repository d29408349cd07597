"""Where a partition of a role's own group stands, as its consumer knows it."""

from typing import NamedTuple

__all__ = ["PartitionLag"]


class PartitionLag(NamedTuple):
    """Where a partition stands. `waiting_since_ms`: append time of the oldest record not committed, or None."""

    topic: str
    partition: int
    committed: int
    end: int
    waiting_since_ms: int | None
