"""The parts of a report about decisions: what the gate did round by round, what the model lives on, task weights."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from models.tasks import CLICK_TASK
from streams.report.charts import Line, bars, lines, signed
from streams.report.gate_chart import decisions_chart
from streams.report.html import DASH, figure, grid, number, section, table
from streams.report.story import Story
from streams.report.theme import svg_of
from streams.training.ablation import Ablation

__all__ = ["gate", "importance", "pulls"]

ROUNDS_SHOWN = 12
NUM_PAIRS = 10
# Rounds of which the decisions are told: the newest.
MAX_ROUNDS = 400
FIGURE_WORDS = {
    "normalised_entropy": "NE",
    "squared_error": "squared error",
    "auc": "AUC",
    "ndcg_at_10": "NDCG@10",
}


def gate(story: Story) -> str:
    """What was decided and why."""
    title = "What the gate decided"
    records = story.records[-MAX_ROUNDS:]
    chart = figure(svg_of(decisions_chart(records, CLICK_TASK), (9.5, 3.0), title))
    rows = [_decision(record) for record in reversed(records)]
    heads = ("round", "began (UTC)", "decision", "why", "version", "lists", "click", "moved")
    lead = (
        "A challenger serves unless a task or the lists are surely worse than with the champion, on rows that neither "
        "has learned. Each dot is a round; bars say how sure. Click: change in normalised entropy; moved: stability "
        "index of its predictions."
    )
    return section(title, lead, chart, table(heads, rows, num_words=4, limit=ROUNDS_SHOWN))


def importance(found: Ablation | str) -> str:
    """What is lost without each group of features; or why that is not known."""
    title = "What does it live on?"
    if isinstance(found, str):
        return section(title, found)
    click = {group: tasks.get(CLICK_TASK, {}) for group, tasks in found.worse.items()}
    charts = []
    for name, words in (("normalised_entropy", "normalised entropy: higher is worse"), ("ndcg_at_10", "NDCG@10 lost")):
        values = {group: figures[name] for group, figures in click.items() if name in figures}
        if values:
            draw = bars(f"clicks: {FIGURE_WORDS[name]} without the group", values, unit=words)
            charts.append(figure(svg_of(draw, (4.8, 0.7 + 0.27 * len(values)), words)))
    lead = (
        f"The champion on the newest {found.num_slates:,} lists ({found.num_rows:,} rows) of the replay buffer, again "
        "and again with one group of features missing: what losing its source would cost. It learned these lists once."
    )
    return section(title, lead, grid(charts, "wide"), _ablation_table(found))


def pulls(story: Story) -> str:
    """Task weights, drawn when they moved, and how alike tasks pull the shared layer; nothing of a single task."""
    if len(story.tasks) == 1:
        return ""
    weights = [
        Line(task.name.replace("_", " "), story.value("task_weights", task.name), place)
        for place, task in enumerate(story.tasks)
    ]
    drawn = []
    if any(np.ptp(line.y_R) > 0 for line in weights):
        title = "Weight of each task's loss"
        drawn.append(figure(svg_of(lines(title, story.rounds, weights, has_legend=True), (4.8, 2.9), title)))
    drawn += _cosines(story)
    declared = ", ".join(f"{line.name} {line.y_R[-1]:g}" for line in weights)
    lead = (
        f"Their losses weigh: {declared}. Tasks share most of the net: a cosine above 0 says that two tasks want the "
        "same of it, below 0 the opposite; near 0 they leave each other alone. Shown are the strongest pairs."
    )
    return section("How the tasks live together", lead, grid(drawn, "wide"))


def _cosines(story: Story) -> list[str]:
    pairs = sorted({pair for record in story.records for pair in record["gradient_cosines"]})
    means = {pair: float(np.nanmean(story.value("gradient_cosines", pair))) for pair in pairs}
    strongest = sorted(means, key=lambda pair: -abs(means[pair]))[:NUM_PAIRS]
    if not strongest:
        return []
    named = {pair.replace("/", ", "): means[pair] for pair in strongest}
    title = "Pairs of tasks"
    return [figure(svg_of(bars(title, named, unit="mean cosine of their gradients"), (4.8, 2.9), title))]


def _decision(record: Mapping[str, Any]) -> list[str]:
    verdict, drift = record["gate"]["tasks"].get(CLICK_TASK, {}), record["gate"]["drift"] or {}
    began = datetime.fromtimestamp(record["at_ms"] / 1000, UTC)
    change = verdict.get("change")
    return [
        str(record["round"]),
        f"{began:%Y-%m-%d %H:%M:%S}",
        record["decision"].replace("_", " "),
        record["gate"]["reason"],
        DASH if record["version"] is None else str(record["version"]),
        f"{record['num_slates']:,}",
        DASH if change is None else signed(change, 4),
        number(drift.get("psi"), 2),
    ]


def _ablation_table(found: Ablation) -> str:
    """The loss of every task without each group, when there are more than clicks."""
    columns = [
        (task, name) for task, figures in found.whole.items() for name in figures if name not in {"auc", "ndcg_at_10"}
    ]
    if len(columns) < 2:  # noqa: PLR2004  clicks alone are in the chart
        return ""
    groups = sorted(
        found.worse, key=lambda group: -found.worse[group].get(CLICK_TASK, {}).get("normalised_entropy", 0.0)
    )
    rows = [["(nothing missing)", *(number(found.whole[task][name]) for task, name in columns)]]
    for group in groups:
        changes = [found.worse[group].get(task, {}).get(name) for task, name in columns]
        rows.append([group.replace("_", " "), *(DASH if change is None else signed(change) for change in changes)])
    heads = ["missing", *(f"{task.replace('_', ' ')}: {FIGURE_WORDS[name]}" for task, name in columns)]
    return table(heads, rows)
