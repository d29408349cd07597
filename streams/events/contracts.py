"""The public contracts as documents: JSON Schema 2020-12 per topic, and one AsyncAPI 3.0 document of all topics.

For someone who writes a producer or a consumer in another language. Built from the types that the code itself reads and
writes, so they cannot drift apart. The types come from the caller: rankings belong to a later room.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import core_schema

from streams.topics import TopicSpec

__all__ = ["CONTRACT_VERSION", "Contract", "asyncapi", "json_schema"]

# Of the records, not of the package: the first number changes when a reader or a writer must change too.
CONTRACT_VERSION = "1.0.0"
# Sites send these; the others are sent to them. A schema of what is read says what may be left out.
_READ_BY_US = {"events", "catalogue"}
_COMPONENTS = "#/components/schemas/{model}"

Contract = TypeAdapter[Any]


class _PlainSchema(GenerateJsonSchema):
    """Without a title per field, which only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        return False

    def literal_schema(self, schema: core_schema.LiteralSchema) -> dict[str, Any]:
        """A one-word literal as `const` alone; its type goes without saying."""
        document = super().literal_schema(schema)
        return {"const": document["const"]} if "const" in document else document


def json_schema(topic: str, contract: Contract) -> dict[str, Any]:
    """The JSON Schema of the records on one topic."""
    document = contract.json_schema(mode=_mode(topic), schema_generator=_PlainSchema)
    return {"$schema": _PlainSchema.schema_dialect, "title": f"A record on `{topic}`", **document}


def asyncapi(contracts: Mapping[str, Contract], topics: Mapping[str, TopicSpec]) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of the given topics (short names)."""
    inputs = [(name, _mode(name), contract) for name, contract in contracts.items()]
    payloads, shared = TypeAdapter.json_schemas(inputs, ref_template=_COMPONENTS, schema_generator=_PlainSchema)
    messages = {name: _messages(name, payloads[name, _mode(name)]) for name in contracts}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "freshrank",
            "version": CONTRACT_VERSION,
            "description": "Site events in, fresh rankings out. Records are JSON in UTF-8, keyed as each channel says, "
            "partitioned by murmur2 of the key (librdkafka: partitioner=murmur2_random). Unknown fields are ignored.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(topics[name], messages[name]) for name in contracts},
        "operations": {_operation_name(name): _operation(name) for name in contracts},
        "components": {
            "messages": {message: body for of_topic in messages.values() for message, body in of_topic.items()},
            "schemas": shared.get("$defs", {}),
        },
    }


def _mode(topic: str) -> JsonSchemaMode:
    return "validation" if topic in _READ_BY_US else "serialization"


def _messages(topic: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Messages by name: one for each kind of event, or the only one of the topic."""
    kinds = payload.get("discriminator", {}).get("mapping")
    if kinds is None:
        return {topic: {"name": topic, "payload": payload}}
    return {kind: {"name": kind, "payload": {"$ref": ref}} for kind, ref in kinds.items()}


def _channel(spec: TopicSpec, messages: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": spec.name,
        "description": f"{spec.record}; key: {spec.key}; written by {spec.written_by}",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.num_partitions,
                "topicConfiguration": _topic_configuration(spec.config),
                "bindingVersion": "0.5.0",
            }
        },
    }


def _topic_configuration(config: Mapping[str, str]) -> dict[str, Any]:
    """The entries that AsyncAPI's Kafka binding knows."""
    known: dict[str, Any] = {}
    if "cleanup.policy" in config:
        known["cleanup.policy"] = config["cleanup.policy"].split(",")
    return known | {name: int(config[name]) for name in ("retention.ms", "max.message.bytes") if name in config}


def _operation_name(topic: str) -> str:
    return f"{_action(topic)}_{topic.replace('-', '_')}"


def _operation(topic: str) -> dict[str, Any]:
    return {"action": _action(topic), "channel": {"$ref": f"#/channels/{topic}"}}


def _action(topic: str) -> Literal["receive", "send"]:
    """As freshrank sees it."""
    return "receive" if topic in _READ_BY_US else "send"
