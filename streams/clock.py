"""The only module that reads a clock. Everything else receives a `Clock` or a time."""

import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Wall time for stamps, monotonic time for intervals."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to, for tests and simulations."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Seconds since the epoch, as this clock has only one hand."""
        return self._now_ms / 1000

    def advance_ms(self, by_ms: int) -> None:
        """Move forward; a negative step is an error of the test."""
        if by_ms < 0:
            raise ValueError(f"advance_ms({by_ms}): a clock never goes back; pass a step of 0 or more")
        self._now_ms += by_ms
