"""`freshrank demo`: the whole thing at work in two minutes, and a verdict."""

import json
from pathlib import Path
from typing import Annotated

import typer

from streams.commands.options import AsJson, BootstrapServers, load_settings

__all__ = ["demo"]


def demo(
    *,
    data: Annotated[
        Path | None, typer.Option("--data", help="Replay this log (ours or Metarank's) instead of simulated shoppers.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.2, help="How long shoppers browse.")] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the shop, the shoppers and the model.")] = 0,
    bootstrap_servers: BootstrapServers = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the run in this new folder. Default: a temporary one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show it all: a real Kafka, a shop with hidden tastes, rankings that improve; fails unless nothing was lost."""
    from rich.console import Console

    from streams.clock import SystemClock
    from streams.demo.run_demo import DemoJob, run_demo
    from streams.demo.screen import final_table

    job = DemoJob(file=data, minutes=minutes, seed=seed, has_own_broker=bootstrap_servers is None, data_dir=data_dir)
    result = run_demo(job, load_settings(bootstrap_servers=bootstrap_servers), SystemClock())
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2))
    else:
        Console(highlight=False).print(final_table(result.figures, result.verdict, result.next_steps))
    if not result.verdict.is_pass:
        raise typer.Exit(1)
