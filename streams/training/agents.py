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
            await runtime.take(event.message.partition, event.value)
            event.ack()
