"""`freshrank lag`: how far consumer groups are behind, as a table, as JSON, or as an exit code for an alert."""

import json
import threading
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import AsJson, BootstrapServers, load_settings

if TYPE_CHECKING:
    from rich.table import Table

    from streams.kafka.lag import LagReport, PartitionLag
    from streams.settings import Settings

__all__ = ["lag"]

TABLE_FRAME = 6
"""Lines of a table that are not rows."""


def lag(
    bootstrap_servers: BootstrapServers = None,
    group: Annotated[
        list[str] | None, typer.Option(help="A consumer group, ours or any; may be given again. Default: our two.")
    ] = None,
    max_lag_s: Annotated[
        float | None, typer.Option(min=0, help="Exit 1 when a record waits longer than this many seconds.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh the table until Ctrl-C.")] = False,
    interval_s: Annotated[float, typer.Option(min=0.1, help="Seconds between two refreshes of --watch.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show committed offset, end offset and lag, in records and seconds, of each group, topic and partition."""
    from streams.clock import SystemClock
    from streams.kafka.lag_reader import read_lag

    if watch and (as_json or max_lag_s is not None):
        raise typer.BadParameter("--watch refreshes a table for a person; --json and --max-lag-s are for one reading")
    settings = load_settings(bootstrap_servers=bootstrap_servers)
    groups = list(dict.fromkeys(group)) if group else [settings.worker_group, settings.trainer_group]
    if watch:
        _watch(settings, groups, interval_s)
        return
    report = read_lag(settings, groups, SystemClock().now_ms())
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        from streams.commands.tables import show

        show(_table(report))
    if max_lag_s is not None and report.max_lag_s > max_lag_s:
        typer.echo(f"a record waits for {report.max_lag_s:.1f} s; allowed: {max_lag_s:.1f} s", err=True)
        raise typer.Exit(1)


def _watch(settings: "Settings", groups: list[str], interval_s: float) -> None:
    """Refresh in place. A broker that is away is said, and waited for."""
    from rich.live import Live

    from streams.clock import SystemClock
    from streams.errors import BrokerUnreachableError
    from streams.kafka.lag_reader import read_lag

    nobody = threading.Event()
    try:
        with Live(auto_refresh=False) as live:
            while True:
                try:
                    report = read_lag(settings, groups, SystemClock().now_ms())
                    shown: Table | str = _table(report, max_rows=live.console.height - TABLE_FRAME)
                except BrokerUnreachableError as error:
                    shown = f"waiting: {error}"
                live.update(shown, refresh=True)
                nobody.wait(interval_s)
    except KeyboardInterrupt:
        return


def _table(report: "LagReport", max_rows: int | None = None) -> "Table":
    """A row per partition; a row per topic when more than `max_rows` would push the totals off the screen."""
    from rich.table import Column, Table

    group = Column("group", "total", overflow="fold")
    table = Table(group, Column("topic", overflow="fold"), show_footer=True)
    is_short = max_rows is not None and len(report.partitions) > max_rows
    for name, footer in (
        ("partitions" if is_short else "partition", str(len(report.partitions))),
        ("committed", ""),
        ("end", ""),
        ("lag", f"{report.total_lag:,}"),
        ("lag, s", f"{report.max_lag_s:.1f}"),
    ):
        table.add_column(name, footer=footer, justify="right")
    for row in _by_topic(report) if is_short else map(_cells, report.partitions):
        table.add_row(*row, style="yellow" if row[5] != "0" else None)
    return table


def _cells(row: "PartitionLag") -> tuple[str, ...]:
    committed = "-" if row.committed_offset is None else f"{row.committed_offset:,}"
    return (
        row.group,
        row.topic,
        str(row.partition),
        committed,
        f"{row.end_offset:,}",
        f"{row.lag:,}",
        f"{row.lag_s:.1f}",
    )


def _by_topic(report: "LagReport") -> Iterator[tuple[str, ...]]:
    from streams.kafka.lag import LagReport

    for (group, topic), rows in groupby(report.partitions, key=lambda row: (row.group, row.topic)):
        of_topic = LagReport(tuple(rows))
        num, end = len(of_topic.partitions), sum(row.end_offset for row in of_topic.partitions)
        yield group, topic, str(num), "", f"{end:,}", f"{of_topic.total_lag:,}", f"{of_topic.max_lag_s:.1f}"
