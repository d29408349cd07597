"""The contestants of the clients benchmark that run in our environment: the site client, and two plain libraries.

All begin with an event as a dictionary and end with an acknowledged record of JSON; the site client also checks it
against the contract and gives up nothing, as its caller waits. All readers begin with a record and end with it decoded:
the site client as a checked `Ranking`, the others as a dictionary. Nobody commits offsets.
"""

from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from benchmarks.client_job import BATCH_BYTES, LINGER_MS, Answer, Job, Stopwatch, answer_job, warm_and_timed
from streams.clients.event_producer import EventProducer
from streams.clients.rankings_consumer import RankingsConsumer

__all__ = ["CONTESTANTS"]

# A site that must lose nothing waits; that it did not have to give up is checked.
PATIENCE_S = 60.0
POLL_MS, POLL_RECORDS = 200, 500


def site_produce(job: Job) -> Answer:
    """Ours."""
    with EventProducer(job.bootstrap_servers, max_block_s=PATIENCE_S) as producer:
        answer = warm_and_timed(job, producer.send, lambda: producer.flush(PATIENCE_S))
        assert producer.dropped == 0, f"{producer.dropped} events were dropped"
    return answer


def kafka_python_produce(job: Job) -> Answer:
    """kafka-python."""
    producer = KafkaProducer(
        bootstrap_servers=job.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        batch_size=BATCH_BYTES,
    )

    def send(event: dict[str, Any]) -> None:
        producer.send(job.topic, orjson.dumps(event), key=event["user_id"].encode())

    answer = warm_and_timed(job, send, producer.flush)
    producer.close()
    return answer


def confluent_produce(job: Job) -> Answer:
    """confluent-kafka, which is librdkafka."""
    producer = Producer(
        {
            "bootstrap.servers": job.bootstrap_servers,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": LINGER_MS,
            "batch.size": BATCH_BYTES,
            "partitioner": "murmur2_random",
        }
    )

    def send(event: dict[str, Any]) -> None:
        value, key = orjson.dumps(event), event["user_id"].encode()
        while True:
            try:
                producer.produce(job.topic, value, key)
            except BufferError:
                producer.poll(0.01)
            else:
                producer.poll(0)
                return

    return warm_and_timed(job, send, producer.flush)


def site_consume(job: Job) -> Answer:
    """Ours."""
    watch = Stopwatch(job.num)
    with RankingsConsumer(job.bootstrap_servers, start="beginning") as consumer:
        while not watch.saw(len(consumer.poll(POLL_MS))):
            pass
        return watch.stop()


def kafka_python_consume(job: Job) -> Answer:
    """kafka-python, asked as the site client asks it."""
    consumer = KafkaConsumer(bootstrap_servers=job.bootstrap_servers, group_id=None, enable_auto_commit=False)
    consumer.assign([TopicPartition(job.topic, number) for number in range(job.num_partitions)])
    consumer.seek_to_beginning()
    watch, is_done = Stopwatch(job.num), False
    while not is_done:
        batches = consumer.poll(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        is_done = watch.saw(len([orjson.loads(record.value) for batch in batches.values() for record in batch]))
    answer = watch.stop()
    consumer.close()
    return answer


def confluent_consume(job: Job) -> Answer:
    """confluent-kafka, in batches."""
    config = {"bootstrap.servers": job.bootstrap_servers, "group.id": "not-used", "enable.auto.commit": False}
    consumer = Consumer(config)
    consumer.assign([ConfluentPartition(job.topic, n, OFFSET_BEGINNING) for n in range(job.num_partitions)])
    watch, is_done = Stopwatch(job.num), False
    while not is_done:
        is_done = watch.saw(len([orjson.loads(m.value()) for m in consumer.consume(POLL_RECORDS, POLL_MS / 1000)]))
    answer = watch.stop()
    consumer.close()
    return answer


CONTESTANTS = {
    "produce, site client": site_produce,
    "produce, kafka-python": kafka_python_produce,
    "produce, confluent-kafka": confluent_produce,
    "consume, site client": site_consume,
    "consume, kafka-python": kafka_python_consume,
    "consume, confluent-kafka": confluent_consume,
}

if __name__ == "__main__":
    answer_job(CONTESTANTS, ("kafka-python", "confluent-kafka", "orjson", "pydantic"))
