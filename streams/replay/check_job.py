"""`freshrank replay --check`: what a running system has made of its log, beside what its own code makes of it now.

Reads `events` and `catalogue` from their first records, `training-examples` and `state-changelog`; changes nothing.
Use the settings of the worker: fields, windows and ceilings decide what comes out.
"""

import asyncio
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from aiokafka.structs import ConsumerRecord

from streams.errors import TopicError
from streams.features.state_store import StateStore
from streams.kafka.tail import read_partition
from streams.kafka.topic_reader import ReadRecord, read_topic
from streams.replay.log_spool import LogSpool
from streams.replay.progress import Report
from streams.replay.skew_check import Compared, ExampleCheck, compare_states
from streams.replay.straight_run import StraightRun
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["check_run"]


async def check_run(settings: Settings, tell: Report) -> dict[str, Any]:
    """The figures that `--json` prints. Raises BrokerUnreachableError, and TopicError when events are gone already."""
    with tempfile.TemporaryDirectory(prefix="freshrank-check-") as name:
        folder = Path(name)
        tell(None, "reading the state as the workers left it")
        live = [await _live_state(settings, number, folder / "live") for number in range(settings.num_partitions)]
        return await asyncio.to_thread(_checked, settings, folder, live, tell)


def _checked(settings: Settings, folder: Path, live: list[StateStore], tell: Report) -> dict[str, Any]:
    topics = {short: spec.name for short, spec in topic_specs(settings).items()}
    check = ExampleCheck(settings.catalogue.schema_, folder / "examples")
    tell(None, "reading training examples")
    check.take_live(r.value for r in read_topic(settings, topics["training-examples"]) if r.value is not None)
    tell(None, "reading events and catalogue")
    log = LogSpool(folder / "log")
    num_events = log.add(_whole(read_topic(settings, topics["events"]), topics["events"]), is_event=True)
    num_items = log.add(read_topic(settings, topics["catalogue"]), is_event=False)
    straight = StraightRun(settings, folder / "straight")
    tell(None, f"applying {num_events:,} events and {num_items:,} items")
    for record in straight.run(log):
        check.take_straight(record)
    check.close()
    users, totals = Compared(), Compared()
    for ours, theirs in zip(live, straight.stores, strict=True):
        compare_states(ours, theirs, users, totals)
        ours.close()
    log.close()
    straight.close()
    kinds = {"lists": check.lists, "labels": check.labels, "users": users, "item_totals": totals}
    are_equal = [*(one.is_equal for one in kinds.values())]
    if settings.num_partitions == 1:
        are_equal += [skew.is_equal for skew in check.skews]
    features = {name: found for skew in check.skews for name, found in skew.to_json().items()}
    return {
        "events": num_events,
        "items": num_items,
        "partitions": settings.num_partitions,
        "is_equal": all(are_equal),
        "features": features,
        **{name: one.to_json() for name, one in kinds.items()},
    }


async def _live_state(settings: Settings, number: int, folder: Path) -> StateStore:
    store = StateStore(folder / str(number))

    def take(_: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        store.write((record.key or b"", record.value) for record in records)

    await read_partition(settings, topic_specs(settings)["state-changelog"].name, number, 0, take)
    return store


def _whole(records: Iterable[ReadRecord], topic: str) -> Iterator[ReadRecord]:
    """The records; raises TopicError when the first ones of a partition are gone."""
    begun: set[int] = set()
    for record in records:
        if record.partition not in begun and record.offset > 0:
            raise TopicError(
                f"{topic} partition {record.partition} begins at offset {record.offset}: earlier events are gone, so "
                "what they did to the state cannot be computed again; check a system that still has its whole log"
            )
        begun.add(record.partition)
        yield record
