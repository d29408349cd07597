"""The training examples and rank tasks of a log, as the real worker makes them, without Kafka: engine, no clock.

Records go through `Partition` in the steps of `freshrank evaluate` (streams.replay.steps), so the features, labels and
lists are those of a real run; they depend on the log alone, and serve any number of learners and seeds.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from streams.events.checked_log import checked_records
from streams.events.importers import LogFormat, read_log
from streams.examples.label_plan import LabelPlan
from streams.examples.records import Forget, Labels, Shown, decode_record
from streams.features.items import ItemTable
from streams.features.state_store import StateStore
from streams.ranking.candidates import CandidateIndex
from streams.ranking.task import RankTask
from streams.replay.evaluate_job import fields_of_log
from streams.replay.evaluation import Evaluation
from streams.replay.lockstep import lockstep_settings
from streams.replay.ranked_lists import RankedList
from streams.replay.steps import Step, cut_steps
from streams.settings import Settings
from streams.worker.list_capture import ListCapture
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState

__all__ = ["LogExamples", "LogStep", "read_examples"]


@dataclass(frozen=True, slots=True)
class LogStep:
    """What one step of a lock-step run gives: lists to score, then examples to learn from, each in event order.

    `first_list`: index in the log of the first of its lists.
    """

    first_list: int
    tasks: list[RankTask]
    examples: list[Shown | Labels]


@dataclass(frozen=True, slots=True)
class LogExamples:
    """A log, worked through. `lists`: with their clicks and the baselines' scores; `items`: as at the log's end."""

    settings: Settings
    items: ItemTable
    steps: list[LogStep]
    lists: list[RankedList]

    @property
    def examples(self) -> Iterable[Shown | Labels]:
        """All examples in order."""
        return (example for step in self.steps for example in step.examples)


@dataclass(slots=True)
class _Record:
    """An event as Kafka would give it, appended when it occurred."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def read_examples(file: Path, log_format: LogFormat, base: Settings | None = None) -> LogExamples:
    """Work through a log. `base`: settings beside those of a lock-step run. Raises InputFileError."""
    settings = lockstep_settings(base or Settings(), Path("unused"), fields_of_log(file, log_format), 0)
    items = ItemTable(settings.catalogue, settings.num_partitions)
    evaluation = Evaluation(0)
    with tempfile.TemporaryDirectory() as folder:
        store = StateStore(Path(folder))
        state = PartitionState(0, store, items, LabelPlan.of(settings.labels))
        engine = Partition(state, settings, ListCapture(items, CandidateIndex(settings.ranking.candidates)))
        records = checked_records(read_log(file, log_format))
        steps: list[LogStep] = []
        for step in cut_steps(records, evaluation):
            first_list = steps[-1].first_list + len(steps[-1].tasks) if steps else 0
            steps.append(_apply(step, engine, first_list))
        store.close()
    return LogExamples(settings, items, steps, evaluation.lists)


def _apply(step: Step, engine: Partition, first_list: int) -> LogStep:
    for record in step.items:
        if record.value is None:
            engine.state.items.remove(record.key or "")
        else:
            engine.state.items.upsert(record.value, 0)
    first = engine.state.offset + 1
    outputs = engine.process(
        [
            _Record(first + index, event["occurred_at_ms"], event["user_id"].encode(), orjson.dumps(event))
            for index, event in enumerate(step.events)
        ]
    )
    tasks = {(due.task.user_id, due.task.slate_id): due.task for due in outputs.ranks}
    of_lists = [tasks[one.user_id, one.slate_id] for one in step.lists]
    examples = [found for _, raw in outputs.examples if not isinstance(found := decode_record(raw), Forget)]
    return LogStep(first_list, of_lists, examples)
