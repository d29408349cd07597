"""The trainer's Faust agent: take a chunk, write it to the buffer, acknowledge it. No logic."""

from typing import Any

import faust

from streams.kafka.chunk_transport import RawSchema
from streams.topics import topic_specs
from streams.training.runtime import TrainerRuntime

__all__ = ["register"]


def register(app: faust.App, runtime: TrainerRuntime) -> None:
    """Add the agent of `training-examples` to the app."""
    examples = app.topic(topic_specs(runtime.settings)["training-examples"].name, schema=RawSchema())

    @app.agent(examples, name="training_examples")
    async def fill_buffer(stream: faust.StreamT[Any]) -> None:
        async for event in stream.noack().events():
            end_offset = app.consumer.highwater(event.message.tp)
            await runtime.intake.take(event.message.partition, event.value, end_offset)
            event.ack()

    @app.on_partitions_assigned.connect
    async def on_assigned(_: faust.App, assigned: Any, **__: Any) -> None:  # noqa: ARG001 - Faust's signature
        runtime.metrics.rebalances.inc()
