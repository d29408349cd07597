"""`freshrank topics`: makes the topics that are missing, and shows all as they are."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.options import AsJson, BootstrapServers, load_settings

if TYPE_CHECKING:
    from streams.kafka.admin import TopicState

__all__ = ["topics"]

DAY_MS = 86_400_000


def topics(
    bootstrap_servers: BootstrapServers = None,
    check: Annotated[bool, typer.Option("--check", help="Make nothing; exit 1 unless all is as it must be.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Also set retention and the like where they differ.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing and describe all; the number of partitions can never change later."""
    from streams.kafka import admin

    if check and repair:
        raise typer.BadParameter("--check changes nothing and --repair does; give one of them")
    settings = load_settings(bootstrap_servers=bootstrap_servers)
    created = [] if check else admin.create_topics(settings)
    repaired = admin.repair_topics(settings) if repair else []
    states = admin.describe_topics(settings)
    if as_json:
        facts = {"created": created, "repaired": repaired, "topics": [_facts(state) for state in states]}
        typer.echo(json.dumps(facts, indent=2))
    else:
        _show(states)
        typer.echo(f"{len(created)} created, {len(repaired)} repaired, {len(states)} in all", err=True)
        typer.echo("The number of partitions cannot change later: users would move.", err=True)
    if check and not all(state.is_right for state in states):
        raise typer.Exit(1)


def _facts(state: "TopicState") -> dict[str, Any]:
    spec = state.spec
    return {
        "name": spec.name,
        "key": spec.key,
        "record": spec.record,
        "written_by": spec.written_by,
        "partitions": state.found_partitions,
        "needed_partitions": spec.num_partitions,
        "config": dict(spec.config),
        "differences": {name: {"found": found, "needed": need} for name, (found, need) in state.differences.items()},
        "state": _state(state),
    }


def _state(state: "TopicState") -> str:
    if state.is_missing:
        return "missing"
    if state.is_misplaced:
        return "wrong partitions"
    return "differs" if state.differences else "right"


def _show(states: "list[TopicState]") -> None:
    from rich.table import Column, Table

    from streams.commands.tables import show

    table = Table(Column("topic", overflow="fold", min_width=28), "key", "partitions", "kept", "state")
    for state in states:
        spec = state.spec
        kept = spec.config["cleanup.policy"]
        if days := int(spec.config.get("retention.ms", "0")) // DAY_MS:
            kept += f", {days} days"
        partitions = "-" if state.found_partitions is None else str(state.found_partitions)
        differs = "".join(f"\n{name}: {was}, needed {need}" for name, (was, need) in state.differences.items())
        table.add_row(spec.name, spec.key, partitions, kept, _state(state) + differs)
    show(table)
