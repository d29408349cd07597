"""What a deployment leaves for others to see, once it has settled: rows in Feast, records on topics, the buffer."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.demo.ledger import TOTAL_COLUMNS
from streams.events.dead_letter import DeadLetter
from streams.examples.records import decode_record
from streams.features.rows import ITEM_COUNTERS, USER_COUNTERS, view_columns
from streams.ranking.record import Ranking
from streams.settings import Settings
from streams.topics import topic_specs
from streams.training.announcement import decode_announcement
from streams.training.replay_buffer import ReplayBuffer
from tests.recovery.runs import records_of
from tests.recovery.straight_run import final_examples

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tables are keyed by what a line is about. `shown` and `labels`: what a reader of the topic keeps."""

    events: list[Any]
    user_rows: Table
    item_rows: Table
    shown: Table
    labels: Table
    refused: Table
    rankings: list[Ranking]
    announced: set[int]


async def read_outcome(settings: Settings, repo: Path, users: list[str], items: list[str]) -> Outcome:
    """Everything that worker and trainer of these settings have made of `events`.

    Rows are read in a thread: the line to Redis may be carried by this one.
    """
    examples = [decode_record(record.value) for record in await records_of(settings, "training-examples")]
    shown, labels = final_examples(examples)
    lists = [record.value for record in await records_of(settings, "rankings")]
    letters = [record.value for record in await records_of(settings, "dead-letters")]
    told = [record.value for record in await records_of(settings, "model-updates")]
    columns = [column.name for column in view_columns(USER_COUNTERS, settings.catalogue.affinity)]
    return Outcome(
        events=await records_of(settings, "events"),
        user_rows=await asyncio.to_thread(_rows, repo, USER_COUNTERS, users, columns),
        item_rows=await asyncio.to_thread(_rows, repo, ITEM_COUNTERS, items, list(TOTAL_COLUMNS)),
        shown={f"{slate}/{part}": (one.user_id, one.items, one.positions) for (slate, part), one in shown.items()},
        labels={f"{slate}/{task}": label_facts(one) for (slate, task), one in labels.items()},
        refused=_refused(settings, letters),
        rankings=[Ranking.model_validate_json(raw) for raw in lists if raw],
        announced={decode_announcement(raw).version for raw in told},
    )


def label_facts(labels: Any) -> tuple[Any, ...]:
    """What a task's labels say, of a record or of the buffer."""
    return labels.revision, labels.items, labels.values, labels.is_closed


def _rows(repo: Path, view: str, ids: list[str], columns: list[str]) -> Table:
    from streams.features.feast_reader import read_rows  # takes seconds to import

    found = read_rows(repo, view, ids, columns)
    return {f"{entity}.{column}": value for entity, row in found.items() for column, value in row.items()}


def _refused(settings: Settings, letters: list[bytes]) -> Table:
    """A refused record may be refused again after a crash; its place in the log tells that it is the same."""
    topic, found = topic_specs(settings)["events"].name, map(DeadLetter.decode, letters)
    return {f"{one.partition}:{one.offset}": one.reason for one in found if one.topic == topic}


def read_buffer(settings: Settings) -> tuple[Table, Table, list[str]]:
    """Shown parts and labels of every learnable slate, and their ids, once for each time one became so."""
    buffer = ReplayBuffer(settings.data_dir / "buffer", buffer_days=14, buffer_max_bytes=1 << 30)
    slates = [entry.slate for entry in buffer.history(buffer.by_event_time())]
    buffer.close()
    shown: Table = {}
    labels: Table = {}
    for slate in slates:
        shown |= {f"{slate.slate_id}/{one.part}": (one.user_id, one.items, one.positions) for one in slate.shown}
        labels |= {f"{slate.slate_id}/{task}": label_facts(one) for task, one in slate.labels.items()}
    return shown, labels, [slate.slate_id for slate in slates]
