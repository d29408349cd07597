import msgspec
import numpy as np
import pytest

from streams.events.rejection import Rejected
from streams.examples.records import (
    Labels,
    PastActions,
    PastAnswers,
    Shown,
    ShownContent,
    encode_array,
    encode_arrays,
    encode_record,
)
from streams.training.example_check import check_example
from tests.training.slates import SCHEMA, labels, shown

# Three fields: category, title, text.
CODES = encode_arrays([np.array([5, 2 << 24, 6], "<i4")])
FOREIGN = encode_arrays([np.array([3 << 24], "<i4")])
PRICES = encode_array(np.ones((2, 1), np.float32))
ONE, TWO = encode_array(np.ones(1, np.float32)), encode_array(np.ones(2, np.float32))
FULL = msgspec.structs.replace(
    shown("s"),
    content=ShownContent([1, 2], CODES, PRICES),
    answers=PastAnswers(["x", "y"], [1, -1], TWO),
    actions=PastActions(["x"], [5], ONE),
)


def checked(record: Shown | Labels, **changes: object) -> Shown | Labels | Rejected:
    return check_example(encode_record(msgspec.structs.replace(record, **changes)), SCHEMA)


def test_whole_records_come_through_as_they_were_sent() -> None:
    for record in (
        FULL,
        shown("s", "abz"),
        labels("s", "dwell", {"a": 3.5}, censored=[True]),
        labels("s", "click", {}),
    ):
        assert checked(record) == record


def test_a_slate_captured_with_other_features_is_whole() -> None:
    record = msgspec.structs.replace(shown("s"), feature_schema="other", user="")
    assert checked(record) == record


def test_content_captured_with_other_features_is_left_out() -> None:
    found = checked(FULL, feature_schema="other", content=ShownContent([1], "?", ""))
    assert found == msgspec.structs.replace(FULL, feature_schema="other", content=None)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b'{"kind": "shown"', "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"kind": "seen"}', "wrong_type"),
        (b'{"kind": "labels", "slate_id": 7}', "wrong_type"),
        (b"[" * 100_000, "wrong_type"),
        (b"null", "wrong_type"),
    ],
)
def test_what_is_no_record_is_refused_with_a_reason(raw: bytes | None, reason: str) -> None:
    found = check_example(raw, SCHEMA)
    assert isinstance(found, Rejected)
    assert (found.reason, bool(found.detail)) == (reason, True)


@pytest.mark.parametrize(
    ("record", "changes", "detail"),
    [
        (shown("s"), {"items": []}, "items, positions, kinds: found lengths [0, 2], must be equal and not 0"),
        (shown("s"), {"items": [], "positions": [], "kinds": []}, "items, positions, kinds: found lengths [0], "),
        (shown("s"), {"kinds": ["product", "song"]}, "kinds: found 'song', must be one of product, coupon, ad"),
        (shown("s"), {"positions": [0, -1]}, "positions, part: found -1, must be 0 or above"),
        (shown("s"), {"part": -3}, "positions, part: found -3, must be 0 or above"),
        (shown("s"), {"user": "AAAA"}, "user: found 3 bytes, must be "),
        (shown("s"), {"item": "?" * 8}, "item: not base64 "),
        (shown("s"), {"cross": ""}, "cross: found 0 bytes, must be "),
        (FULL, {"content": ShownContent([3], CODES, PRICES)}, "content sizes: found 1, must be 2, each 0 or above"),
        (FULL, {"content": ShownContent([4, -1], CODES, PRICES)}, "content sizes: found 2, must be 2, each 0 "),
        (FULL, {"content": ShownContent([1, 1], CODES, PRICES)}, "content codes: found 12 bytes, must be 8 "),
        (FULL, {"content": ShownContent([1, 2], CODES, "")}, "content dense: found 0 bytes, must be 8 "),
        (FULL, {"content": ShownContent([1, 0], FOREIGN, PRICES)}, "content codes: found 50331648, must be from 0 "),
        (FULL, {"answers": PastAnswers(["x"], [1, 0], ONE)}, "answers: found 1 items and 2 marks, must be as many, "),
        (FULL, {"answers": PastAnswers(["x"], [2], ONE)}, "answers: found mark 2, must be from -1 to 1"),
        (FULL, {"answers": PastAnswers(["x"], [1], TWO)}, "logits of answers: found 8 bytes, must be 4 "),
        (FULL, {"answers": PastAnswers(["x"] * 97, [1] * 97, "")}, "answers: found 97 items and 97 marks, "),
        (FULL, {"actions": PastActions(["x"] * 51, [1] * 51, "")}, "actions: found 51 items and 51 marks, "),
        (FULL, {"actions": PastActions(["x"], [6], ONE)}, "actions: found mark 6, must be from 0 to 5"),
        (FULL, {"actions": PastActions(["x"], [1], "?")}, "ages of actions: not base64 "),
        (shown("s", "a" * 501), {}, "items: found 501, must be at most 500"),
        (labels("s", "click", {f"i{n}": 0 for n in range(2001)}), {}, "items: found 2001, must be at most 2000"),
        (labels("s", "click", {"a": 1}), {"values": [1, 0]}, "items, values, censored: found lengths [1, 2], "),
        (labels("s", "dwell", {"a": 1}), {"censored": []}, "items, values, censored: found lengths [0, 1], "),
    ],
)
def test_columns_that_do_not_fit_are_refused_and_named(
    record: Shown | Labels, changes: dict[str, object], detail: str
) -> None:
    found = checked(record, **changes)
    assert isinstance(found, Rejected)
    assert found.reason == "impossible_value"
    assert found.detail.startswith(detail)
