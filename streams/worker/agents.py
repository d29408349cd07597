"""The worker's Faust agents: take a chunk, call the engine, send what it gave. No logic."""

from collections.abc import Sequence
from typing import Any

import faust

from streams.kafka.chunk_transport import RawSchema
from streams.topics import topic_specs
from streams.worker.runtime import WorkerRuntime

__all__ = ["register"]


def register(app: faust.App, runtime: WorkerRuntime) -> None:
    """Add the agents of `events` and `item-counts` to the app, and open partitions as they are assigned."""
    topics = topic_specs(runtime.settings)
    events_topic, counts_topic = topics["events"].name, topics["item-counts"].name
    events = app.topic(events_topic, schema=RawSchema())
    item_counts = app.topic(counts_topic, schema=RawSchema())

    @app.agent(events, name="events")
    async def ingest(stream: faust.StreamT[Any]) -> None:
        async for event in stream.noack().events():
            await runtime.ingest(event.message.partition, event.value, event.ack)

    @app.agent(item_counts, name="item_counts")
    async def write_item_rows(stream: faust.StreamT[Any]) -> None:
        async for event in stream.noack().events():
            await runtime.write_item_rows(event.message.partition, event.value)
            event.ack()

    @app.on_partitions_assigned.connect
    async def on_assigned(_: faust.App, assigned: Sequence[Any], **__: Any) -> None:
        runtime.assignment.begin(
            events={tp.partition for tp in assigned if tp.topic == events_topic},
            item_counts={tp.partition for tp in assigned if tp.topic == counts_topic},
        )

    @app.on_partitions_revoked.connect
    async def on_revoked(_: faust.App, revoked: Sequence[Any], **__: Any) -> None:  # noqa: ARG001 - Faust's signature
        await runtime.assignment.pause()
