import pytest

from streams.events.dead_letter import DeadLetter
from streams.events.rejection import Rejected
from streams.kafka.bulk_sender import BulkRecord
from streams.replay.resend import resendable


@pytest.mark.parametrize(
    ("key", "value", "record"),
    [
        (b"u", b"\xff", BulkRecord("events", "u", b"\xff", None)),
        (None, b"{}", BulkRecord("events", None, b"{}", 2)),
        (b"u", None, BulkRecord("events", "u", None, None)),
        (None, None, None),
        (b"\xff", b"{}", None),
        (b"u", b"x" * 70_000, None),
        (b"k" * 2_000, b"{}", None),
    ],
)
def test_a_whole_letter_is_sent_as_it_was_and_a_cut_one_not(
    key: bytes | None, value: bytes | None, record: BulkRecord | None
) -> None:
    letter = DeadLetter.of(
        Rejected(0, "not_json", "d"), topic="events", partition=2, offset=5, key=key, value=value, rejected_at_ms=1
    )
    assert resendable(letter) == record
