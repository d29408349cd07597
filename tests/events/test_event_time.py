import pytest

from streams.events.event_time import OLDEST_MS, settle_time

APPENDED = 1_700_000_000_000
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("occurred_at_ms", "settled"),
    [
        (APPENDED, APPENDED),
        (APPENDED - 3 * 365 * 24 * HOUR_MS, APPENDED - 3 * 365 * 24 * HOUR_MS),
        (APPENDED + 1, APPENDED),
        (APPENDED + 24 * HOUR_MS, APPENDED),
        (APPENDED + 24 * HOUR_MS + 1, "time_too_far_ahead"),
        (OLDEST_MS, OLDEST_MS),
        (OLDEST_MS - 1, "time_too_old"),
        (0, "time_too_old"),
    ],
)
def test_a_time_is_kept_taken_back_or_refused(occurred_at_ms: int, settled: int | str) -> None:
    assert settle_time(occurred_at_ms, APPENDED, max_ahead_s=86_400) == settled
