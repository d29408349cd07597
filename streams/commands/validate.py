"""`freshrank validate`: is this log fit to be replayed?"""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.commands.options import AsJson, load_settings

if TYPE_CHECKING:
    from streams.events.validation import LogReport

__all__ = ["validate"]


def validate(
    file: Annotated[str, typer.Argument(help="Log of JSON lines, plain or gzip; - for standard input.")],
    *,
    log_format: Annotated[
        Literal["freshrank", "metarank"], typer.Option("--format", help="How the log is written.")
    ] = "freshrank",
    as_json: AsJson = False,
) -> None:
    """Check a log: contract, order, ids, positions and join keys; exit code 1 when a check fails."""
    import json

    from streams.clock import SystemClock
    from streams.errors import InputFileError
    from streams.events.checked_log import checked_records
    from streams.events.importers import read_log
    from streams.events.log_file import LogFile
    from streams.events.validation import validate_log
    from streams.replay.progress import ReplayProgress, shown_with_progress

    log, clock = LogFile(file), SystemClock()
    with ReplayProgress("validate", clock) as progress:
        records = shown_with_progress(checked_records(read_log(log, log_format)), log, progress)
        report = validate_log(records, load_settings().worker.allowed_lateness_s)
    if report.lines == 0:
        raise InputFileError(f"{file}: holds no line; needed one JSON object a line")
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        _show(report)
    if not report.is_passed:
        raise typer.Exit(1)


def _show(report: "LogReport") -> None:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in report.records.items())
    typer.echo(f"{report.lines:,} lines: {kinds}")
    for check in report.checks:
        found = f"{check.bad:,} of {check.checked:,} not so" if check.bad else f"{check.checked:,} checked"
        typer.echo(f"{check.status}  {check.name}: {found}")
        for example in check.examples:
            typer.echo(f"        {example}")
    typer.echo("PASS" if report.is_passed else "FAIL")
