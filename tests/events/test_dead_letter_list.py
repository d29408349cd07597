from streams.events.dead_letter import DeadLetter
from streams.events.dead_letter_list import choose, sample
from streams.events.rejection import EXPLANATIONS, REASONS, Reason, Rejected


def letter(at_ms: int, reason: Reason = "not_json", value: bytes | None = b"{") -> DeadLetter:
    return DeadLetter.of(
        Rejected(0, reason, "d"), topic="events", partition=0, offset=at_ms, key=b"u", value=value, rejected_at_ms=at_ms
    )


LETTERS = [letter(3), letter(9, "empty"), letter(1), letter(7, "empty"), letter(5), letter(5, "too_large")]
RAWS = [one.encode() for one in LETTERS]


def times(newest: int | None, reason: Reason | None = None) -> list[int]:
    return [one.rejected_at_ms for one in choose(RAWS, newest, reason).letters]


def test_the_newest_are_listed_oldest_first() -> None:
    assert times(newest=3) == [5, 7, 9]
    assert times(newest=None) == [1, 3, 5, 5, 7, 9]


def test_one_reason_can_be_asked_for() -> None:
    assert times(newest=1, reason="empty") == [9]
    assert times(newest=None, reason="not_json") == [1, 3, 5]
    assert times(newest=None, reason="time_too_old") == []


def test_everything_read_is_counted_by_reason_and_other_records_apart() -> None:
    chosen = choose([*RAWS, b"{}", None], newest=1, reason=None)
    assert (chosen.by_reason, chosen.unreadable) == ({"not_json": 3, "empty": 2, "too_large": 1}, 2)
    assert chosen.to_json()["letters"] == [letter(9, "empty").model_dump()]


def test_a_sample_shows_text_and_escapes_the_rest() -> None:
    assert sample(letter(1, value=b'{"a":\n\xff"\xc3\xa9')) == r'{"a":\n\xff"é'
    assert sample(letter(1, value=b"x" * 100), chars=5) == "xxxxx…"
    assert sample(letter(1, value=b"xxxxx"), chars=5) == "xxxxx"
    assert sample(letter(1, value=None)) == "(no value)"


def test_every_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(REASONS)
