"""`freshrank replay`: a log of events through the running system."""

from typing import Annotated, Literal

import typer

from streams.commands.options import AsJson, BootstrapServers, DataDir, load_settings

__all__ = ["replay"]


def replay(
    file: Annotated[str, typer.Argument(help="Log of JSON lines, plain or gzip; - for standard input.")],
    *,
    log_format: Annotated[
        Literal["freshrank", "metarank"], typer.Option("--format", help="How the log is written.")
    ] = "freshrank",
    speed: Annotated[str, typer.Option(help="Events per second, or max.")] = "max",
    wait: Annotated[bool, typer.Option("--wait", help="Return when worker and trainer have consumed it all.")] = False,
    close_windows: Annotated[bool, typer.Option("--close-windows", help="End open label windows at the end.")] = False,
    send_invalid: Annotated[bool, typer.Option("--send-invalid", help="Send rejected lines too.")] = False,
    stall_s: Annotated[float, typer.Option(help="Give up waiting after so many seconds without a commit.")] = 120.0,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send a log of events and items through Kafka, in order, items before the events after them."""
    import asyncio
    import json

    from streams.clock import SystemClock
    from streams.replay.job import ReplayJob, run_job
    from streams.replay.progress import ReplayProgress

    settings = load_settings(bootstrap_servers=bootstrap_servers, data_dir=data_dir)
    job = ReplayJob(
        file=file,
        log_format=log_format,
        events_per_s=_events_per_s(speed),
        should_wait=wait,
        should_close_windows=close_windows,
        should_send_invalid=send_invalid,
        stall_s=stall_s,
    )
    clock = SystemClock()
    with ReplayProgress("replay", clock) as progress:
        figures = asyncio.run(run_job(job, settings, clock, progress))
    if as_json:
        typer.echo(json.dumps(figures))
        return
    typer.echo(
        f"{figures['events_sent']:,} events and {figures['items_sent']:,} items sent, "
        f"{figures['events_rejected']:,} rejected, {figures['seconds']:.1f} s, {figures['events_per_s']:,.0f} events/s"
    )


def _events_per_s(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        number = float(speed)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise typer.BadParameter(f"found {speed!r}, must be a number above 0, or max", param_hint="--speed")
    return number
