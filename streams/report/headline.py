"""What a report says first: how good the clicks are, whether to believe them, whether it still gets better."""

import math

from models.tasks import CLICK_TASK
from streams.report.story import Story
from streams.report.table_figures import auc_of, pcoc_of

__all__ = ["headline", "summary"]

# Fewer clicks do not carry a sentence about calibration.
MIN_CLICKS = 20
MIN_POSITIVES = 50
# As the gate sees it (comparison.PCOC_RANGE).
CALIBRATED_PERCENT = 10
MIN_ROUNDS_FOR_TREND = 10


def headline(story: Story) -> str:
    """One line."""
    table = story.table(CLICK_TASK, last=story.num_recent)
    if table[:, 2].sum() < MIN_CLICKS:
        return f"Too early to tell: {int(table[:, 2].sum())} clicks so far"
    return f"Clicks: AUC {_figure(auc_of(table))}, {_calibration(pcoc_of(table))}"


def summary(story: Story, champion: int) -> list[str]:
    """A few sentences, most important first."""
    slates = int(sum(record["num_slates"] for record in story.records))
    serving = f"Version {champion} serves." if champion else "No version serves yet."
    ends = {name: story.num_decided(name) for name in ("published", "refused", "rolled_back")}
    rounds = f"{len(story.records):,} rounds learned {slates:,} lists; {ends['published']} challengers were published"
    rounds += f", {ends['refused']} refused" if ends["refused"] else ""
    taken_back = ends["rolled_back"]
    rounds += f", {taken_back} version{'s' if taken_back > 1 else ''} taken back" if taken_back else ""
    return [*_lists(story), *_trend(story), *_uncalibrated(story), f"{serving} {rounds}."]


def _lists(story: Story) -> list[str]:
    found = story.lists(CLICK_TASK, last=story.num_recent)
    if not found.lists:
        return []
    place = 1 / found.mrr
    ndcg = _figure(found.ndcg_at_10)
    return [f"NDCG@10 is {ndcg} on {found.lists:,} recent lists: the first click stands about at place {place:.1f}."]


def _trend(story: Story) -> list[str]:
    if len(story.records) < MIN_ROUNDS_FOR_TREND:
        return []
    num = max(len(story.records) // 5, 1)
    first = auc_of(Story(story.records[:num], story.tasks).table(CLICK_TASK))
    last = auc_of(story.table(CLICK_TASK, last=num))
    if not (math.isfinite(first) and math.isfinite(last)):
        return []
    words = "rose" if last > first + 0.005 else "fell" if last < first - 0.005 else "stayed"
    start = f"from {_figure(first)} " if words != "stayed" else ""
    end = f"to {_figure(last)}" if words != "stayed" else f"at {_figure(last)}"
    return [f"Between the first {num} rounds and the last, the AUC of clicks {words} {start}{end}."]


def _uncalibrated(story: Story) -> list[str]:
    """Tasks beside clicks that promise something else than what happens."""
    tables = {task.name: story.table(task.name, last=story.num_recent) for task in story.tasks if not task.is_seconds}
    ratios = {name: pcoc_of(table) for name, table in tables.items() if table[:, 2].sum() >= MIN_POSITIVES}
    off = [
        f"{name.replace('_', ' ')} ({ratio:.2f} times what happens)"
        for name, ratio in ratios.items()
        if name != CLICK_TASK and abs(ratio - 1) > CALIBRATED_PERCENT / 100
    ]
    return [f"Not calibrated yet: {', '.join(off)}."] if off else []


def _calibration(ratio: float) -> str:
    off = round(100 * abs(ratio - 1))
    if off == 0:
        return "calibrated within 1 %"
    if off <= CALIBRATED_PERCENT:
        return f"calibrated within {off} %"
    return f"{off} % too {'high' if ratio > 1 else 'low'} on average"


def _figure(value: float) -> str:
    """As in .78."""
    return f"{value:.3f}".removeprefix("0") if 0 <= value < 1 else f"{value:.3f}"
