import pytest

from streams.events.dead_letter import KEPT_BYTES, DeadLetter
from streams.events.rejection import Rejected


def letter(key: bytes | None, value: bytes | None) -> DeadLetter:
    refusal = Rejected(3, "not_json", "record: cut")
    return DeadLetter.of(refusal, topic="events", partition=2, offset=7, key=key, value=value, rejected_at_ms=99)


def test_a_letter_says_what_where_and_why() -> None:
    assert letter(b"u1", b"{\xff").model_dump() == {
        "topic": "events", "partition": 2, "offset": 7, "reason": "not_json", "detail": "record: cut", "key": "dTE=",
        "key_size_bytes": 2, "rejected": "e/8=", "size_bytes": 2, "rejected_at_ms": 99,
    }  # fmt: skip


def test_a_letter_comes_back_from_its_bytes() -> None:
    sent = letter(b"\x00\xffk", b"\xfe" * 1000)
    back = DeadLetter.decode(sent.encode())
    assert (back, back.key_bytes, back.rejected_bytes, back.is_complete) == (sent, b"\x00\xffk", b"\xfe" * 1000, True)


def test_a_record_of_1_mb_is_cut_and_called_incomplete() -> None:
    cut = letter(b"u", b"x" * 1_000_000)
    assert (len(cut.rejected_bytes or b""), cut.size_bytes, cut.is_complete) == (KEPT_BYTES, 1_000_000, False)


def test_a_long_key_is_cut_and_called_incomplete() -> None:
    cut = letter(b"k" * 1_000_000, b"{}")
    assert (len(cut.key_bytes or b""), cut.is_complete) == (1024, False)


def test_no_key_and_no_value_stay_apart_from_empty_ones() -> None:
    assert (letter(None, None).key_bytes, letter(None, None).rejected_bytes) == (None, None)
    assert (letter(b"", b"").key_bytes, letter(b"", b"").rejected_bytes) == (b"", b"")


def test_other_bytes_are_no_letter() -> None:
    with pytest.raises(ValueError, match="validation error"):
        DeadLetter.decode(b'{"topic":"events"}')
