from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from streams.events.contracts import CONTRACT_VERSION, asyncapi, json_schema
from streams.events.dead_letter import DeadLetter
from streams.events.schema import EVENT_TYPES, CatalogueItem, PublicEvent
from streams.settings import Settings
from streams.topics import topic_specs

CONTRACTS = {
    "events": TypeAdapter[Any](PublicEvent),
    "catalogue": TypeAdapter[Any](CatalogueItem),
    "dead-letters": TypeAdapter[Any](DeadLetter),
}


def references(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        for value in document.values():
            yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> dict[str, Any]:
    assert reference.startswith("#/")
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def test_the_schema_of_events_has_each_public_type_and_not_the_internal_one() -> None:
    document = json_schema("events", CONTRACTS["events"])
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(document["discriminator"]["mapping"]) == set(EVENT_TYPES)
    assert "Watermark" not in document["$defs"]


def test_a_field_is_described_with_its_limits() -> None:
    dwell = json_schema("events", CONTRACTS["events"])["$defs"]["Dwell"]
    assert dwell["properties"]["type"] == {"const": "dwell"}
    assert dwell["properties"]["dwell_s"] == {
        "description": "seconds so far, at most a week", "type": "number", "minimum": 0, "maximum": 604_800.0,
    }  # fmt: skip
    assert dwell["required"] == ["event_id", "user_id", "occurred_at_ms", "item_id", "type", "dwell_s"]


def test_what_we_write_names_every_field_as_there() -> None:
    document = json_schema("dead-letters", CONTRACTS["dead-letters"])
    assert set(document["required"]) == set(document["properties"]) == set(DeadLetter.model_fields)


def test_asyncapi_describes_each_topic_with_its_real_name_key_and_retention() -> None:
    settings = Settings(topic_prefix="shop.", num_partitions=3)
    document = asyncapi(CONTRACTS, topic_specs(settings))
    assert (document["asyncapi"], document["info"]["version"]) == ("3.0.0", CONTRACT_VERSION)
    events = document["channels"]["events"]
    assert events["address"] == "shop.events"
    assert "key: user_id" in events["description"]
    assert set(events["messages"]) == set(EVENT_TYPES)
    assert events["bindings"]["kafka"] == {
        "topic": "shop.events",
        "partitions": 3,
        "topicConfiguration": {
            "cleanup.policy": ["delete"], "retention.ms": 604_800_000, "max.message.bytes": 2_097_152,
        },
        "bindingVersion": "0.5.0",
    }  # fmt: skip
    assert document["operations"] == {
        "receive_events": {"action": "receive", "channel": {"$ref": "#/channels/events"}},
        "receive_catalogue": {"action": "receive", "channel": {"$ref": "#/channels/catalogue"}},
        "send_dead_letters": {"action": "send", "channel": {"$ref": "#/channels/dead-letters"}},
    }


def test_every_reference_in_the_documents_leads_somewhere() -> None:
    documents = [asyncapi(CONTRACTS, topic_specs(Settings()))]
    documents += [json_schema(topic, contract) for topic, contract in CONTRACTS.items()]
    resolved = [resolve(document, ref) for document in documents for ref in references(document)]
    assert len(resolved) > 2 * len(EVENT_TYPES)
    assert all(isinstance(target, dict) and target for target in resolved)
