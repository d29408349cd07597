"""`freshrank schema`: the public contracts as JSON Schema or AsyncAPI."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from streams.events.contracts import Contract

__all__ = ["schema"]


def schema(
    topic: Annotated[
        str | None, typer.Option(help="Only this topic: events, catalogue, rankings or dead-letters.")
    ] = None,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="One AsyncAPI 3.0 document in place of schemas.")
    ] = False,
) -> None:
    """Print the contracts of the public topics as JSON Schema, or as one AsyncAPI document."""
    import json

    from streams.events import contracts
    from streams.settings import Settings
    from streams.topics import topic_specs

    chosen = _chosen(topic)
    if asyncapi:
        document = contracts.asyncapi(chosen, topic_specs(Settings()))
    else:
        schemas = {name: contracts.json_schema(name, contract) for name, contract in chosen.items()}
        document = schemas[topic] if topic else schemas
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _chosen(topic: str | None) -> "dict[str, Contract]":
    from pydantic import TypeAdapter

    from streams.events.dead_letter import DeadLetter
    from streams.events.schema import CatalogueItem, PublicEvent
    from streams.ranking.record import Ranking

    types: dict[str, Any] = {
        "events": PublicEvent,
        "catalogue": CatalogueItem,
        "rankings": Ranking,
        "dead-letters": DeadLetter,
    }
    if topic is not None and topic not in types:
        raise typer.BadParameter(f"found {topic!r}, must be one of {', '.join(types)}", param_hint="--topic")
    return {name: TypeAdapter(kind) for name, kind in types.items() if topic in {None, name}}
