"""`freshrank replay`: a log of events through the running system."""

from typing import Annotated, Any, Literal

import typer

from streams.commands.options import AsJson, BootstrapServers, DataDir, load_settings

__all__ = ["replay"]


def replay(
    file: Annotated[
        str | None, typer.Argument(help="Log of JSON lines, plain or gzip; - for standard input. None: --check alone.")
    ] = None,
    *,
    log_format: Annotated[
        Literal["freshrank", "metarank"], typer.Option("--format", help="How the log is written.")
    ] = "freshrank",
    speed: Annotated[str, typer.Option(help="Events per second, or max.")] = "max",
    wait: Annotated[bool, typer.Option("--wait", help="Return when worker and trainer have consumed it all.")] = False,
    close_windows: Annotated[bool, typer.Option("--close-windows", help="End open label windows at the end.")] = False,
    send_invalid: Annotated[bool, typer.Option("--send-invalid", help="Send rejected lines too.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Then compare what the system made of its log with what its code makes now.")
    ] = False,
    stall_s: Annotated[float, typer.Option(help="Give up waiting after so many seconds without a commit.")] = 120.0,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send a log of events and items through Kafka, in order, items before the events after them."""
    import asyncio
    import json

    from streams.clock import SystemClock
    from streams.replay.check_job import check_run
    from streams.replay.job import ReplayJob, run_job
    from streams.replay.progress import ReplayProgress
    from streams.replay.waiting import wait_until_consumed

    if file is None and not check:
        raise typer.BadParameter("found no FILE; needed a log to send, or --check alone", param_hint="FILE")
    settings, clock = load_settings(bootstrap_servers=bootstrap_servers, data_dir=data_dir), SystemClock()
    job = (
        None
        if file is None
        else ReplayJob(
            file=file,
            log_format=log_format,
            events_per_s=_events_per_s(speed),
            should_wait=wait,
            should_close_windows=close_windows,
            should_send_invalid=send_invalid,
            stall_s=stall_s,
        )
    )

    async def run(progress: ReplayProgress) -> dict[str, Any]:
        figures = {} if job is None else await run_job(job, settings, clock, progress)
        if not check:
            return figures
        await wait_until_consumed(settings, clock, progress, stall_s)
        return figures | {"check": await check_run(settings, progress)}

    with ReplayProgress("replay", clock) as progress:
        figures = asyncio.run(run(progress))
    typer.echo(json.dumps(figures) if as_json else _told(figures))
    if check and not figures["check"]["is_equal"]:
        raise typer.Exit(1)


def _told(figures: dict[str, Any]) -> str:
    lines: list[str] = []
    if "events_sent" in figures:
        lines.append(
            f"{figures['events_sent']:,} events and {figures['items_sent']:,} items sent, "
            f"{figures['events_rejected']:,} rejected, {figures['seconds']:.1f} s, "
            f"{figures['events_per_s']:,.0f} events/s"
        )
    return "\n".join(lines + (_told_check(figures["check"]) if "check" in figures else []))


def _told_check(found: dict[str, Any]) -> list[str]:
    """A line per feature and kind of result; live beside straight."""
    lines: list[str] = []
    for name, one in found["features"].items():
        apart = (
            "missing on one side" if one["max_difference"] is None else f"largest difference {one['max_difference']:g}"
        )
        lines.append(f"{name:32} {one['equal']:>12,} of {one['values']:>12,} equal, {apart}")
    for name in ("lists", "labels", "users", "item_totals"):
        one = found[name]
        first = f", first: {'; '.join(one['examples'])}" if one["examples"] else ""
        lines.append(f"{name:32} {one['equal']:>12,} equal, {one['live']:,} live, {one['straight']:,} straight{first}")
    verdict = "equal" if found["is_equal"] else "not equal"
    lines.append(f"{verdict}: {found['events']:,} events, {found['items']:,} items, {found['partitions']} partitions")
    return lines


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
