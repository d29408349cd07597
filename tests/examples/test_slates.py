"""Slates as state records."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.examples.slates import Slate, Waiting, decode_slate, encode_slate, slate_key
from streams.features.catalogue import CatalogueColumns
from streams.settings import CatalogueFields

NUM_SLOTS = 6
IDS = ("", "a", "b", "c", "é", 'quote"')
SLOTS = st.integers(1, NUM_SLOTS - 1)
PLACES = st.integers(0, 499)
CHANCES = st.floats(0, 1)
SLATES = st.builds(
    Slate,
    user_id=st.text(min_size=1, max_size=3),
    slate_id=st.text(min_size=1, max_size=3),
    created_at_ms=st.integers(1, 1 << 42),
    surface=st.sampled_from(["", "home"]),
    shown_at_ms=st.integers(0, 1 << 42),
    num_parts=st.integers(0, 3),
    slots=st.lists(SLOTS, unique=True),
    labels=st.dictionaries(
        st.sampled_from(["click", "dwell"]), st.dictionaries(PLACES, st.floats(0, 1e6), max_size=3), max_size=2
    ),
    decided_at_ms=st.dictionaries(
        st.sampled_from(["order", "dwell"]), st.dictionaries(PLACES, st.integers(0, 1 << 42), max_size=3), max_size=2
    ),
    open_visits=st.dictionaries(st.just("dwell"), st.lists(PLACES, max_size=3)),
    closed=st.lists(st.sampled_from(["click", "cart"]), max_size=2),
    revisions=st.dictionaries(st.sampled_from(["click", "cart"]), st.integers(1, 9), max_size=2),
    waiting=st.lists(
        st.builds(Waiting, st.sampled_from(["click", "dwell"]), SLOTS, st.integers(0, 1 << 42), CHANCES, st.booleans()),
        max_size=3,
    ),
    query=st.text(max_size=5),
    relevance=st.dictionaries(SLOTS, st.floats(-5, 5), max_size=3),
    policy=st.sampled_from(["score", "explore"]),
    propensities=st.dictionaries(SLOTS, CHANCES, max_size=3),
    model_version=st.integers(0, 99),
)


def numbered(ids: tuple[str, ...]) -> CatalogueColumns:
    """Items in slots of this order."""
    items = CatalogueColumns(CatalogueFields())
    for item_id in ids:
        items.slot(item_id)
    return items


@given(SLATES)
def test_a_slate_comes_back_from_its_record_and_equal_slates_give_equal_bytes(slate: Slate) -> None:
    items = numbered(IDS)
    raw = encode_slate(slate, items)
    back = decode_slate(raw, items)

    assert back == slate
    assert encode_slate(back, items) == raw


@given(SLATES)
def test_a_record_means_the_same_to_a_worker_that_numbers_items_otherwise(slate: Slate) -> None:
    here, there = numbered(IDS), numbered(IDS[::-1])
    raw = encode_slate(slate, here)
    back = decode_slate(raw, there)

    assert [there.item_ids[slot] for slot in back.slots] == [here.item_ids[slot] for slot in slate.slots]
    assert encode_slate(back, there) == raw


def test_what_is_as_in_a_new_slate_takes_no_room_and_is_read_where_it_was_written() -> None:
    slate, items = Slate("u", "s", 5), numbered(IDS)
    short = {"user_id": "u", "slate_id": "s", "created_at_ms": 5}
    written = {**short, "policy": "score", "slots": [], "waiting": [], "relevance": {}, "propensities": {}}

    assert msgspec.json.decode(encode_slate(slate, items)) == short
    assert decode_slate(msgspec.json.encode(written), items) == slate


def test_two_users_may_be_given_the_same_slate_id() -> None:
    keys = [Slate("u1", "s", 1).key, Slate("u2", "s", 1).key, slate_key("u1", "s")]
    assert keys == ["u1\0s", "u2\0s", "u1\0s"]
