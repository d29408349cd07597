"""`freshrank up`: the whole of freshrank on this machine, until Ctrl-C."""

from typing import Annotated

import typer

from streams.commands.options import AsJson, BootstrapServers, DataDir, load_settings

__all__ = ["up"]


def up(
    *,
    data_dir: DataDir = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the own Kafka; 0 takes a free one.")] = 0,
    bootstrap_servers: BootstrapServers = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes; they share the partitions.")] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the roles' logs here too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run Kafka (unless given one), workers and trainer on this machine, restart what dies, stop all on Ctrl-C."""
    from streams.supervisor.deployment import Deployment, Plan
    from streams.supervisor.foreground import run_in_foreground

    settings = load_settings(bootstrap_servers=bootstrap_servers, data_dir=data_dir)
    plan = Plan(settings, has_own_broker=bootstrap_servers is None, port=port, num_workers=workers)
    run_in_foreground(Deployment(plan, say=_say), is_verbose=verbose, is_json=as_json)


def _say(text: str) -> None:
    typer.echo(text, err=True)
