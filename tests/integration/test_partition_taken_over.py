"""A worker that was paused gets a partition back that another one had meanwhile: it goes on from the other's state."""

from collections.abc import Sequence
from typing import Any

import pytest

from streams.clock import SystemClock
from streams.features.rows import RowBatch
from streams.kafka.admin import create_topics
from streams.kafka.record_sender import RecordSender
from streams.settings import Settings, WorkerSettings
from streams.worker.knowledge import Knowledge
from streams.worker.list_capture import ListCapture
from streams.worker.partition_set import PartitionSet
from tests.worker.event_log import START_MS, records

pytestmark = pytest.mark.integration


class NoRows:
    """Takes feature rows and forgets them."""

    def write(self, batch: RowBatch) -> int:
        return len(batch)


def views(num: int) -> list[Any]:
    view = {"type": "view", "user_id": "u", "item_id": "i1"}
    return records([{**view, "event_id": f"e{n}", "occurred_at_ms": START_MS + n} for n in range(num)])


def partitions_of(settings: Settings, worker: str, sender: RecordSender) -> PartitionSet:
    settings = settings.model_copy(update={"worker": WorkerSettings(instance_id=worker)})
    knowledge = Knowledge(settings, SystemClock())
    return PartitionSet(
        settings,
        SystemClock(),
        knowledge=knowledge,
        lists=ListCapture(knowledge.items, knowledge.index),
        sender=sender,
        rows=NoRows(),
    )


async def process(partitions: PartitionSet, events: Sequence[Any]) -> None:
    partitions.owned[0].engine.process(events)
    partitions.owned[0].add([], [], None)
    await partitions.flush()


def known(partitions: PartitionSet) -> tuple[int, int]:
    """Offset and views of the one user."""
    state = partitions.owned[0].engine.state
    return state.offset, state.user("u").totals[1]


async def test_a_partition_that_was_elsewhere_during_a_pause_is_opened_anew(kafka: object, settings: Settings) -> None:
    settings = settings.model_copy(update={"num_partitions": 1})
    create_topics(settings)
    events = views(5)
    sender = RecordSender(settings)
    await sender.start()
    paused, successor = (partitions_of(settings, name, sender) for name in ("worker-0", "worker-1"))

    await paused.assign({0})
    await process(paused, events[:2])
    held = paused.owned[0]
    await paused.assign({0})
    assert paused.owned[0] is held

    await successor.assign({0})
    await process(successor, events[2:4])
    assert known(successor) == (3, 4)

    await paused.assign({0})
    assert paused.owned[0] is not held
    assert known(paused) == (3, 4)
    await process(paused, events[4:])
    assert known(paused) == (4, 5)

    await paused.close()
    await successor.assign(set())
    await sender.stop()
