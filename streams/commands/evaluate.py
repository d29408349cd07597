"""`freshrank evaluate`: how well a log would have been ranked, by the real thing, against three simple rankers."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.commands.options import AsJson, BootstrapServers, load_settings

if TYPE_CHECKING:
    from rich.table import Table

    from streams.replay.evaluate_job import EvaluationReport

__all__ = ["evaluate"]

LogFormat = Literal["freshrank", "metarank"]


def evaluate(
    file: Annotated[Path, typer.Argument(help="A log: one JSON object a line, gzip or plain.")],
    *,
    log_format: Annotated[LogFormat, typer.Option("--format", help="How the log is written.")] = "freshrank",
    train_frac: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the lists with a click before the measured part.")
    ] = 0.8,
    seed: Annotated[int, typer.Option(min=0, help="Of the model and of the random ranker.")] = 0,
    bootstrap_servers: BootstrapServers = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the run in this folder. Default: a temporary one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a log in lock-step through a Kafka, worker and trainer of its own, and judge the lists it ranks."""
    import asyncio

    from streams.clock import SystemClock
    from streams.replay.evaluate_job import EvaluationJob, run_evaluation
    from streams.replay.progress import ReplayProgress

    job = EvaluationJob(
        file=file,
        log_format=log_format,
        train_frac=train_frac,
        seed=seed,
        has_own_broker=bootstrap_servers is None,
        data_dir=data_dir,
    )
    clock = SystemClock()
    with ReplayProgress("evaluate", clock) as progress:
        report = asyncio.run(run_evaluation(job, load_settings(bootstrap_servers=bootstrap_servers), clock, progress))
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print(report)


def _print(report: "EvaluationReport") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_table(report))
    quality = report.quality
    console.print(
        f"{quality.lists:,} lists after the split, {quality.lists_with_click:,} with a click; "
        f"click: auc {quality.auc:.3f}, normalised entropy {quality.normalised_entropy:.3f}, pcoc {quality.pcoc:.3f}"
    )
    console.print(f"{report.model_versions} models served; {report.seconds:.0f} s")


def _table(report: "EvaluationReport") -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2))
    for heading in ("ranker", "ndcg@10", "mrr"):
        table.add_column(heading, justify="left" if heading == "ranker" else "right")
    for ranker, ndcg in report.quality.ndcg_at_10.items():
        style = "bold green" if ranker == "freshrank" else ""
        table.add_row(ranker.replace("_", " "), f"{ndcg:.4f}", f"{report.quality.mrr[ranker]:.4f}", style=style)
    return table
