"""The parts of a report, each from the story of the rounds: learning, order, calibration, predictions, label age."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.tasks import CLICK_TASK, Task
from streams.report.charts import Line, distribution, lines, reliability_plot
from streams.report.html import figure, grid, keys, number, section, table
from streams.report.story import ListMeans, Story, smoothed
from streams.report.table_figures import auc_of, ece_of, normalised_entropy_of, pcoc_of, reliability
from streams.report.theme import Draw, svg_of
from streams.training.decisions import decided
from streams.training.prediction_cells import AGE_LIMITS_S, bin_edges

__all__ = ["by_age", "calibration", "distributions", "learning", "present", "quality"]

Float64 = NDArray[np.float64]
SMALL = (3.1, 2.5)
MIN_POSITIVES = 10
# So few figures may be larger.
FEW = 3
AGES = ("up to 1 min", "1 to 10 min", "10 to 60 min", "1 to 6 h", "6 to 24 h", "over a day")
HEADS = ("rows", "came true", "AUC", "NE", "PCOC", "ECE", "accuracy", "precision", "recall", "F1", "NDCG@10", "MRR")
# Figure in a round's record -> group, title, level.
OVER_TIME = (
    ("auc", "progressive", "AUC", None),
    ("normalised_entropy", "progressive", "Normalised entropy", 1.0),
    ("pcoc", "progressive", "Predicted over observed", 1.0),
    ("ndcg_at_10", "progressive", "NDCG@10", None),
    ("mrr", "progressive", "MRR", None),
    ("accuracy", "decided", "Accuracy", None),
    ("precision", "decided", "Precision", None),
    ("recall", "decided", "Recall", None),
    ("f1", "decided", "F1", None),
)


def present(story: Story) -> str:
    """All figures of all tasks over the recent rounds."""
    last = story.num_recent
    rows = [
        [
            _words(task),
            *_figures(
                story, task, story.table(task.name, last=last), story.lists(task.name, last=last), is_recent=True
            ),
        ]
        for task in story.tasks
    ]
    lead = (
        f"The last {last} rounds, each prediction made before its row was learned. A task that may come true or not is "
        "called yes from a threshold on that was best on earlier rounds."
    )
    return section("Where it stands", lead, table(("task", *HEADS), rows))


def learning(story: Story) -> str:
    """Loss in training and before learning, task by task."""
    figures = []
    for place, task in enumerate(story.tasks):
        name = "squared_error" if task.is_seconds else "normalised_entropy"
        raw = story.figure("progressive", task.name, name)
        before = Line("before learning", _smooth(story, task, raw), place, raw)
        during = Line("in training", _smooth(story, task, story.value("losses", task.name)), "muted", is_dashed=True)
        drawn = [before] if task.is_seconds else [before, during]
        title = f"{_words(task)}: {'squared error, log s' if task.is_seconds else 'loss'}"
        figures.append(
            _small(lines(title, story.rounds, drawn, level=None if task.is_seconds else 1.0, has_legend=True), title)
        )
    lead = (
        "Losses are normalised: 1 is knowing nothing but how often it comes true, lower is better. Each point is a "
        f"round, each line a mean over {story.num_smooth}. In training, older lists and dropped features count too."
    )
    return section("Is it learning?", lead, grid(figures, _width(figures)))


def quality(story: Story) -> str:
    """Every metric over rounds, a line per task that has enough to say."""
    figures = []
    for name, group, title, level in OVER_TIME:
        drawn = []
        for place, task in enumerate(story.tasks):
            raw = story.figure(group, task.name, name)
            if (task.is_seconds and name != "auc") or not np.isfinite(raw).any() or not _is_frequent(story, task):
                continue
            own = raw if task.name == CLICK_TASK else np.zeros(0)
            drawn.append(Line(_words(task), _smooth(story, task, raw), place, own))
        if drawn:
            figures.append(_small(lines(title, story.rounds, drawn, level=level), title, "", (3.9, 2.8)))
    lead = (
        f"Means over {story.num_smooth} rounds; points are single rounds of clicks. NDCG and MRR look at lists in "
        "which the task came true. For dwell, AUC is the share of pairs of visits in order."
    )
    return section(
        "How good is it, over time?", lead, keys([_words(task) for task in story.tasks]), grid(figures, "three")
    )


def calibration(story: Story) -> str:
    """Reliability of each task over the recent rounds."""
    figures = []
    for place, task in enumerate(story.tasks):
        held = story.table(task.name, last=story.num_recent)
        if held[:, 2].sum() >= MIN_POSITIVES:
            title = _words(task) + (" (log seconds)" if task.is_seconds else "")
            words = f"predicts {number(pcoc_of(held), 2)} times what happens"
            words += "" if task.is_seconds else f"; mean gap {100 * ece_of(held):.2g} points"
            found = reliability(held)
            figures.append(
                _small(reliability_plot(title, found, place, is_seconds=task.is_seconds), title, words, (3.0, 3.1))
            )
    lead = (
        "Lists are ranked, ads priced and thresholds set by these numbers: of everything predicted at 20 %, about a "
        "fifth should come true. On the dashed line is right, below it promises too much. Bars are 90 % intervals."
    )
    return section("Can its probabilities be believed?", lead, grid(figures, _width(figures)))


def distributions(story: Story) -> str:
    """Histograms of predictions, by label."""
    figures = []
    for place, task in enumerate(story.tasks):
        held = story.table(task.name, last=story.num_recent)
        if held[:, 0].sum():
            title = _words(task)
            draw = distribution(title, held, bin_edges(task), place, is_seconds=task.is_seconds)
            figures.append(_small(draw, title, "", (3.1, 2.1)))
    lead = (
        "How often each prediction is made, on a scale of odds: in colour what came true, in grey what did not. "
        "The further the coloured hill stands to the right of the grey one, the better the task is told apart."
    )
    return section("What does it predict?", lead, grid(figures, _width(figures)))


def by_age(story: Story) -> str:
    """All figures by how old the slate was when its label was learned."""
    rows = []
    for task in story.tasks:
        ages = story.ages(task.name)
        for age in ages if len(ages) > 1 or task.name == CLICK_TASK else []:
            found = story.table(task.name, age=age)
            rows.append([_words(task), AGES[age], *_figures(story, task, found, story.lists(task.name, age=age))])
    lead = (
        "A label is learned once its window is over, or when it comes late. Its age is how long before the newest list "
        "of its round the list was shown. All rounds; tasks with labels of one age only are left out."
    )
    return section("Does it hold for late labels?", lead, table(("task", "age", *HEADS), rows, num_words=2))


def _figures(story: Story, task: Task, held: Float64, lists: ListMeans, *, is_recent: bool = False) -> list[str]:
    """A row under `HEADS`."""
    rows, positives = int(held[:, 0].sum()), int(held[:, 2].sum())
    if task.is_seconds:
        in_order = _smooth(story, task, story.figure("progressive", task.name, "auc"))[-1] if is_recent else math.nan
        return [f"{rows:,}", "", number(in_order), "", number(pcoc_of(held), 2), *[""] * 7]
    first_yes = story.threshold_bin(bin_edges(task), task.name)
    found = decided(held, first_yes) if first_yes is not None else {}
    yes_or_no = [number(found.get(name), 2) for name in ("accuracy", "precision", "recall", "f1")]
    believed = [
        number(auc_of(held)),
        number(normalised_entropy_of(held)),
        number(pcoc_of(held), 2),
        number(ece_of(held)),
    ]
    return [f"{rows:,}", f"{positives:,}", *believed, *yes_or_no, number(lists.ndcg_at_10), number(lists.mrr)]


def _smooth(story: Story, task: Task, raw: Float64) -> Float64:
    weights = np.nan_to_num(story.figure("progressive", task.name, "rows"))
    return smoothed(raw, weights, story.num_smooth)


def _is_frequent(story: Story, task: Task) -> bool:
    """Whether a round has, on average, a few positives: else its figures are noise."""
    positives = story.figure("progressive", task.name, "positives")
    return bool(np.nansum(positives) >= 2 * len(positives))


def _small(draw: Draw, title: str, caption: str = "", size: tuple[float, float] = SMALL) -> str:
    return figure(svg_of(draw, size, title), caption)


def _words(task: Task) -> str:
    return task.name.replace("_", " ")


assert len(AGES) == len(AGE_LIMITS_S) + 1  # noqa: S101  one name an age


def _width(figures: Sequence[str]) -> str:
    return "three" if len(figures) <= FEW else ""
