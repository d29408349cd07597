"""`freshrank models report`: everything on disk about the rounds of one data folder, as one page. Changes nothing.

Works beside a running trainer: the history is read as it is, the replay buffer through a reader of its own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from streams.errors import FreshrankError
from streams.report.decision_sections import gate, importance, pulls
from streams.report.group_worth import worth_of_groups
from streams.report.headline import headline, summary
from streams.report.page import page, words_used
from streams.report.sections import by_age, calibration, distributions, learning, present, quality
from streams.report.story import Story
from streams.settings import Settings
from streams.training.registry import Registry
from streams.training.round_history import HISTORY_FILE, read_rounds

__all__ = ["NoHistoryError", "Report", "build_report"]


class NoHistoryError(FreshrankError):
    """No round was recorded yet. Operator: let the trainer run, or name another data folder."""


@dataclass(frozen=True, slots=True)
class Report:
    """`html`: the whole page. `title`: what it says first."""

    title: str
    says: list[str]
    html: str


def build_report(settings: Settings, now_ms: int) -> Report:
    """Read, measure and write the page. Raises NoHistoryError when no round has ended yet."""
    path = settings.data_dir / "trainer" / HISTORY_FILE
    records = read_rounds(path)
    if not records:
        raise NoHistoryError(
            f"{path} holds no round yet; a report needs at least one, which the trainer records when it ends: let "
            "`freshrank up`, `freshrank trainer` or `freshrank demo --data-dir DIR` run, or name its --data-dir"
        )
    story = Story.of(records, settings.labels.tasks)
    registry = Registry(settings.data_dir / "models", settings.training.keep_versions)
    champion = registry.champions().version
    title, says = headline(story), summary(story, champion)
    sections = [present, learning, quality, calibration, distributions, by_age]
    found = worth_of_groups(settings, registry, champion)
    parts = [*(part(story) for part in sections), importance(found), gate(story), pulls(story), words_used()]
    made = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    kicker = f"freshrank · rounds {records[0]['round']:,} to {records[-1]['round']:,} · {made}"
    events = settings.data_dir / "tensorboard"
    foot = (
        f"Made by freshrank models report from {path}. The same figures round by round: tensorboard --logdir {events}"
    )
    return Report(title, says, page(title, kicker, says, parts, foot))
