"""One version told in the terminal: what it is, what the gate measured of it task by task, how its round went.

Everything comes from the version's manifest; what an older one does not hold is left out.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from streams.report.charts import signed
from streams.report.html import number
from streams.training.registry import Version

__all__ = ["summary_of"]

ROUND_FIGURES = ("log_loss", "normalised_entropy", "squared_error", "auc", "pcoc", "ndcg_at_10", "mrr")
STYLES = {"worse": "bold red", "surely better": "green", "too few rows": "dim"}


def summary_of(version: Version, problem: str | None, withdrawn: str | None) -> Iterator[RenderableType]:
    """What to print, in order. `problem`: why it cannot be served; `withdrawn`: why it was taken back."""
    extra: Mapping[str, Any] = version.manifest.get("extra", {})
    report: Mapping[str, Any] = extra.get("report", {})
    yield from _what_it_is(version, extra, problem, withdrawn)
    gate: Mapping[str, Any] = report.get("gate", {})
    if gate:
        yield from _gate(gate)
    if report.get("progressive"):
        yield Text("\nIts round: predictions made before the rows were learned", "bold")
        yield _round(report)
    if report.get("live", {}).get("former"):
        yield Text(f"watch over what served then: {report['live']['reason']}")


def _what_it_is(
    version: Version, extra: Mapping[str, Any], problem: str | None, withdrawn: str | None
) -> Iterator[RenderableType]:
    report, manifest = extra.get("report", {}), version.manifest
    at_ms = extra.get("published_at_ms")
    when = "" if at_ms is None else f", published {datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    cause = {"round": f" by round {extra.get('round')}", "bootstrap": " by a bootstrap from history"}
    role = "the champion" if version.is_champion else "not the champion"
    yield Text(f"version {version.number}: {role}{when}{cause.get(extra.get('cause', ''), '')}", "bold")
    if "num_slates" in report:
        judged, skipped, capped = (report.get(name, 0) for name in ("num_judged", "num_skipped", "num_capped"))
        yield Text(f"lists: {report['num_slates']:,} learned, of them {judged:,} after they had judged")
        if capped or skipped:
            yield Text(f"left out: {capped:,} of users who have far more than others, {skipped:,} with other features")
    yield Text(f"features {manifest.get('schema_hash')}, tasks {manifest.get('task_hash')}, in {version.folder}")
    if withdrawn:
        yield Text(f"taken back: {withdrawn}", "bold red")
    yield Text(f"cannot be served: {problem}", "bold red") if problem else Text("whole, and can be served", "green")


def _gate(gate: Mapping[str, Any]) -> Iterator[RenderableType]:
    decision = "may serve" if gate.get("is_promoted") else "is refused"
    yield Text(f"\nThe gate: {decision}: {gate.get('reason')}", "bold")
    drift = gate.get("drift")
    if drift and drift.get("psi") is not None:
        yield Text(f"click predictions moved by {drift['psi']:.3f} (stability index) on {drift['rows']:,} rows")
    heads = ("task", "rows", "came true", "champion", "challenger", "change", "surely within", "PCOC", "verdict")
    table = _table(heads)
    for task, found in gate.get("tasks", {}).items():
        within = _within(found["surely_above"], found["surely_below"])
        size = (f"{found['rows']:,}", f"{found['positives']:,}")
        table.add_row(task, *size, *_both(found), within, number(found["pcoc"], 2), _verdict(found))
    if table.row_count:
        yield Text("normalised entropy, lower is better; of dwell, squared error over variance", "dim")
        yield table
    lists = _table(("lists", "number", "champion", "challenger", "change", "verdict"))
    for name, found in gate.get("lists", {}).items():
        lists.add_row(
            name, f"{found['lists']:,}", *_both(found), Text("worse", STYLES["worse"]) if found["is_worse"] else ""
        )
    if lists.row_count:
        yield Text("higher is better", "dim")
        yield lists


def _round(report: Mapping[str, Any]) -> Table:
    figures = [name for name in ROUND_FIGURES if any(name in found for found in report["progressive"].values())]
    heads = ("task", "rows", "training loss", *(name.replace("_", " ") for name in figures))
    table = _table(heads)
    for task, found in report["progressive"].items():
        values = [number(found[name]) if name in found else "" for name in figures]
        table.add_row(task, f"{found['rows']:,.0f}", number(report.get("losses", {}).get(task)), *values)
    return table


def _table(heads: tuple[str, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place == 0 else "right", no_wrap=True)
    return table


def _both(found: Mapping[str, Any]) -> tuple[str, str, str]:
    change = found["change"]
    return number(found["champion"], 4), number(found["challenger"], 4), "" if change is None else signed(change, 4)


def _within(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{signed(low, 4)} to {signed(high, 4)}"


def _verdict(found: Mapping[str, Any]) -> Text:
    words = "no worse beyond noise"
    if found["is_worse"]:
        words = "worse"
    elif not found["is_judged"]:
        words = "too few rows"
    elif found["surely_below"] is not None and found["surely_below"] < 0:
        words = "surely better"
    return Text(words, STYLES.get(words, ""))
