"""Which event times are believed. Compares with the broker's append time, never with this machine's clock."""

from streams.events.rejection import Reason

__all__ = ["OLDEST_MS", "settle_time"]

# 2000-01-01: nothing older is a click; it is a clock that was never set, or seconds sent as milliseconds.
OLDEST_MS = 946_684_800_000


def settle_time(occurred_at_ms: int, appended_at_ms: int, max_ahead_s: int) -> int | Reason:
    """The event time to use, or the reason to refuse it.

    A time ahead of append time is taken back to append time (the caller counts it when the result differs);
    more than `max_ahead_s` ahead, or before the year 2000, it is refused.
    """
    if occurred_at_ms <= appended_at_ms:
        return occurred_at_ms if occurred_at_ms >= OLDEST_MS else "time_too_old"
    if occurred_at_ms - appended_at_ms > max_ahead_s * 1000:
        return "time_too_far_ahead"
    return appended_at_ms
