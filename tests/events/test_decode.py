import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.decode import Rejected, decode_event, decode_events
from streams.events.rejection import REASONS
from streams.events.schema import EVENT_TYPES
from tests.events.sample_events import BAD, CLICK, EXAMPLES, IMPRESSION, click


def test_an_example_of_every_type_is_read_as_it_was_sent() -> None:
    assert set(EXAMPLES) == {*EVENT_TYPES, "watermark"}
    assert decode_events([orjson.dumps(example) for example in EXAMPLES.values()]) == (list(EXAMPLES.values()), [])


def test_unknown_fields_are_left_out() -> None:
    assert decode_event(click(colour="red", nested={"a": [1, {"b": float(2)}]})) == CLICK


@pytest.mark.parametrize(("raw", "reason", "detail"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_refused_with_its_reason_and_its_neighbours_are_kept(
    raw: bytes | None, reason: str, detail: str
) -> None:
    assert decode_events([click(), raw, click()]) == ([CLICK, None, CLICK], [Rejected(1, reason, detail)])


def test_records_that_are_one_event_only_when_joined_are_refused_each() -> None:
    """Joining a chunk into one list would read these three bad records as three good events."""
    whole = orjson.dumps(IMPRESSION)
    cut = whole.index(b',"position"') + len(b',"position":0}')
    raws = [whole[:cut], b'{"item_id":"i2","position":1}]}', click() + b"," + click()]
    events, rejected = decode_events(raws)
    assert events == [None, None, None]
    assert [r.reason for r in rejected] == ["not_json", "not_json", "not_json"]


@given(st.lists(st.one_of(st.binary(max_size=60), st.none(), st.sampled_from([*map(orjson.dumps, EXAMPLES.values())]))))
def test_any_bytes_give_an_event_or_a_reason_and_valid_neighbours_are_all_kept(raws: list[bytes | None]) -> None:
    good = [*map(orjson.dumps, EXAMPLES.values())]
    events, rejected = decode_events(raws)
    assert len(events) == len(raws)
    assert [r.index for r in rejected] == [k for k, event in enumerate(events) if event is None]
    assert all(r.reason in REASONS and r.detail for r in rejected)
    assert all(event is not None for raw, event in zip(raws, events, strict=True) if raw in good)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_any_value_in_any_field_gives_an_event_or_a_reason(kind: str, data: st.DataObject) -> None:
    import json

    example = EXAMPLES[kind]
    field = data.draw(st.sampled_from(sorted(example)))
    raw = json.dumps({**example, field: data.draw(JSON)}).encode()
    result = decode_event(raw)
    assert isinstance(result, Rejected) or result["event_id"]


@pytest.mark.parametrize("escape", [rb"\u0000", rb"\u001f", rb"\n", rb"\b"])
def test_an_id_with_a_control_character_is_impossible(escape: bytes) -> None:
    raw = b'{"type":"view","event_id":"e","user_id":"a' + escape + b'b","occurred_at_ms":1750000000000,"item_id":"i"}'

    events, rejected = decode_events([raw])

    assert events == [None]
    assert rejected == [Rejected(0, "impossible_value", "user_id: found a control character, which no id may have")]
