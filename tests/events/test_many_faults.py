"""A record of 256 kB has room for 80,000 faults: one is told, at the cost of one."""

import pytest
from pydantic import TypeAdapter, ValidationError

from streams.events.decode import decode_catalogue, decode_event
from streams.events.rejection import Rejected
from streams.events.schema import CatalogueItem, Event
from tests.events.sample_events import CLICK, EXAMPLES

MAX_FAULTS = 10
NUM = 10_000


def filled(record: dict[str, object], field: str, faults: object) -> bytes:
    import json

    return json.dumps({**record, field: faults}).encode()


EVENTS = {
    "shown items": (filled(EXAMPLES["impression"], "items", [{}] * NUM), "items.0.item_id: not in the record, needed"),
    "named items": (filled(EXAMPLES["rank"], "items", [7] * NUM), "items.0: found 7, must be an object"),
    "exclude": (filled(EXAMPLES["rank"], "exclude", [7] * NUM), "exclude.0: found 7, must be a valid string"),
    "context": (
        filled(CLICK, "context", {f"k{n}": [] for n in range(NUM)}),
        "context.k0: found [], must be a string, a number, true, false or null",
    ),
}
ITEMS = {
    "tags": ("tags", [7] * NUM, "tags.0: found 7, must be a valid string"),
    "vector": ("vector", [None] * NUM, "vector.0: found None, must be a valid number"),
    "fields": (
        "fields",
        {f"k{n}": {} for n in range(NUM)},
        "fields.k0: found {}, must be a string, a number or a list of them",
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_full_of_faults_is_given_up_at_the_first(name: str) -> None:
    raw, detail = EVENTS[name]

    with pytest.raises(ValidationError) as found:
        TypeAdapter(Event).validate_json(raw)
    refusal = decode_event(raw)

    assert found.value.error_count() <= MAX_FAULTS
    assert isinstance(refusal, Rejected)
    assert refusal.detail == detail


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_full_of_faults_is_given_up_at_the_first(name: str) -> None:
    field, faults, detail = ITEMS[name]
    raw = filled({"item_id": "i1"}, field, faults)

    with pytest.raises(ValidationError) as found:
        TypeAdapter(CatalogueItem).validate_json(raw)
    refusal = decode_catalogue(raw)

    assert found.value.error_count() <= MAX_FAULTS
    assert isinstance(refusal, Rejected)
    assert refusal.detail == detail


def test_a_list_of_faults_in_a_field_of_its_own_is_given_up_too() -> None:
    raw = filled({"item_id": "i1"}, "fields", {"list": [{}] * NUM})

    with pytest.raises(ValidationError) as found:
        TypeAdapter(CatalogueItem).validate_json(raw)

    assert found.value.error_count() <= MAX_FAULTS
