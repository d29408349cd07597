"""Quix Streams in the clients benchmark, in an environment of its own: it needs an older pydantic than we do.

It sends as its documentation shows (serialize, then produce), and reads with a streaming dataframe, its way of work,
which joins a group and commits: a new group each time, so as to read everything. Partitioner, acknowledgements and
batches are set as everybody's.
"""

import os
from typing import Any

from quixstreams import Application

from benchmarks.client_job import BATCH_BYTES, LINGER_MS, Answer, Job, Stopwatch, answer_job, warm_and_timed

__all__ = ["CONTESTANTS"]


def application(job: Job) -> Application:
    """As a user makes it, on topics that exist."""
    return Application(
        broker_address=job.bootstrap_servers,
        consumer_group=f"quix-{os.getpid()}",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        loglevel="WARNING",
        producer_extra_config={
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": LINGER_MS,
            "batch.size": BATCH_BYTES,
        },
    )


def produce(job: Job) -> Answer:
    """Serialize and produce."""
    app = application(job)
    topic = app.topic(job.topic, key_serializer="string", value_serializer="json")
    with app.get_producer() as producer:

        def send(event: dict[str, Any]) -> None:
            message = topic.serialize(key=event["user_id"], value=event)
            producer.produce(topic=topic.name, key=message.key, value=message.value)

        return warm_and_timed(job, send, producer.flush)


def consume(job: Job) -> Answer:
    """A streaming dataframe that looks at every record."""
    app, watch, answers = application(job), Stopwatch(job.num), list[Answer]()

    def look(_: dict[str, Any]) -> None:
        if watch.saw(1) and not answers:
            answers.append(watch.stop())
            app.stop()

    app.dataframe(app.topic(job.topic, value_deserializer="json")).update(look)
    app.run()
    return answers[0]


CONTESTANTS = {"produce, Quix Streams": produce, "consume, Quix Streams": consume}

if __name__ == "__main__":
    answer_job(CONTESTANTS, ("quixstreams", "confluent-kafka", "pydantic"))
