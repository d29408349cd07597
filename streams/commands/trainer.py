"""`freshrank trainer`: the trainer process; with `--bootstrap`, a new model from history."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import AsJson, BootstrapServers, DataDir, load_settings

if TYPE_CHECKING:
    from streams.settings import Settings
    from streams.training.bootstrap import Patience
    from streams.training.bootstrap_job import Bootstrapped

__all__ = ["trainer"]

COLUMNS = ("train", "validation", "test", "test_in_stream")


def trainer(
    *,
    bootstrap: Annotated[
        bool,
        typer.Option("--bootstrap", help="Retrain from the replay buffer, publish and end. No trainer may run."),
    ] = False,
    max_passes: Annotated[int, typer.Option(min=1, help="With --bootstrap: passes over the history at most.")] = 6,
    patience: Annotated[
        int, typer.Option(min=1, help="With --bootstrap: stop after so many looks (4 a pass) without a gain.")
    ] = 4,
    as_json: AsJson = False,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
) -> None:
    """Learn from what was shown and answered, publish models that are better, until stopped."""
    settings = load_settings(bootstrap_servers=bootstrap_servers, data_dir=data_dir)
    if not bootstrap:
        from streams.app import run_trainer

        run_trainer(settings)
        return
    from streams.training.bootstrap import Patience

    done = _bootstrapped(settings, Patience(max_passes=max_passes, num_checks=patience))
    if done is None:
        return
    if as_json:
        typer.echo(json.dumps({"champion_version": done.version, **done.report.as_json()}, indent=2))
    else:
        _print(done)


def _bootstrapped(settings: "Settings", patience: "Patience") -> "Bootstrapped | None":
    from streams.clock import SystemClock
    from streams.replay.progress import ReplayProgress
    from streams.training.bootstrap_job import run_bootstrap

    clock = SystemClock()
    with ReplayProgress("bootstrap", clock) as progress:
        return run_bootstrap(settings, patience, clock.now_ms(), progress)


def _print(done: "Bootstrapped") -> None:
    from rich.console import Console
    from rich.table import Table

    report, console = done.report, Console(highlight=False)
    table = Table(box=None, padding=(0, 2))
    for heading in ("task", "figure", *COLUMNS):
        table.add_column(heading.replace("_", " "), no_wrap=True)
    for task, found in report.test.items():
        for figure in found:
            values = [getattr(report, name).get(task, {}).get(figure) for name in COLUMNS]
            table.add_row(task, figure.replace("_", " "), *("" if v is None else f"{v:,.4g}" for v in values))
    console.print(table)
    console.print(
        f"{report.num_learned:,} slates learned, {report.num_skipped:,} with other features skipped; best after "
        f"{report.best_after_passes:g} passes ({report.stopped})"
    )
    console.print(f"version {done.version} is the champion now; the trainer announces it when it starts")
