"""Internals of Faust and aiokafka that the chunk transport relies on; a failure names what to look at on an upgrade."""

import inspect
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer
from faust.app.base import App
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage, tuples

from streams.kafka import chunk_transport

LOOK_AT = "read its new source, then the method of streams/kafka/chunk_transport.py"


def test_versions_are_the_ones_that_were_read() -> None:
    found = {name: version(name) for name in ("faust-streaming", "aiokafka", "mode-streaming")}

    assert found == {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}, (
        "read the source of what changed, run the chaos tests, then pin the new versions here"
    )


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (Consumer, "_new_offset", ["self", "tp"]),
        (Consumer, "on_buffer_drop", ["self", "tp"]),
        (Consumer, "_wait_next_records", ["self", "timeout"]),
        (Consumer, "getmany", ["self", "timeout"]),
        (Consumer, "perform_seek", ["self"]),
        (Consumer, "on_partitions_revoked", ["self", "revoked"]),
        (driver.Consumer, "_new_consumer_thread", ["self"]),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"]),
        (App, "_stop_consumer", ["self"]),
        (Consumer, "stop_flow", ["self"]),
        (Consumer, "wait_empty", ["self"]),
        (driver.Consumer, "seek_to_committed", ["self"]),
        (driver.Consumer, "seek_wait", ["self", "partitions"]),
        (driver.Consumer, "earliest_offsets", ["self", "partitions"]),
        (driver.Consumer, "highwater", ["self", "tp"]),
        (driver.Consumer, "_getmany", ["self", "active_partitions", "timeout"]),
    ],
)
def test_overridden_methods_have_the_signature_we_override(owner: type, name: str, parameters: list[str]) -> None:
    found = list(inspect.signature(getattr(owner, name)).parameters)
    assert found == parameters, f"{owner.__module__}.{owner.__name__}.{name} changed: {LOOK_AT} that overrides it"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (Consumer._drain_messages, ["self._read_offset", "callback(message)", "getmany(timeout=1.0)"]),
        (Consumer.commit_and_end_transactions, ["commit"]),
        (AIOKafkaConsumer.__init__, ["self._isolation_level"]),
        (AIOKafkaConsumer.start, ["isolation_level=self._isolation_level"]),
        (driver.Consumer._new_consumer_thread, ["AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)"]),
        (App._stop_consumer, ["_consumer_wait_empty"]),
    ],
)
def test_bodies_still_do_what_we_rely_on(function: object, words: list[str]) -> None:
    source = inspect.getsource(function)  # type: ignore[arg-type]

    missing = [word for word in words if word not in source]
    name = getattr(function, "__qualname__", function)
    assert missing == [], f"{name} does not say {missing} any more: {LOOK_AT} that relies on it"


def test_a_consumer_has_the_books_that_we_keep() -> None:
    source = inspect.getsource(Consumer) + inspect.getsource(ThreadDelegateConsumer)
    books = ["_acked", "_acked_index", "_committed_offset", "_read_offset", "_buffered_partitions", "flow_active",
             "can_resume_flow", "_get_active_partitions"]  # fmt: skip

    missing = [name for name in books if f"self.{name}" not in source]
    assert missing == [], f"Faust's consumer has no {missing} any more: {LOOK_AT}s that use them"


def test_a_message_takes_what_we_give_it() -> None:
    fields = ["topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value", "checksum",
              "serialized_key_size", "serialized_value_size", "tp"]  # fmt: skip

    found = list(inspect.signature(ConsumerMessage).parameters)[: len(fields)]
    assert found == fields, f"ConsumerMessage takes {found}: {LOOK_AT} `_message`, which gives them by place"


def test_the_lock_of_acks_is_the_one_that_acks_take() -> None:
    source = inspect.getsource(tuples)

    assert "with ack_lock" in source or "ack_lock:" in source, (
        f"faust.types.tuples takes no `ack_lock` any more: {LOOK_AT} `_new_offset`, which holds it while it reads acks"
    )


def test_the_transport_is_found_by_its_scheme() -> None:
    from faust.transport.drivers import TRANSPORTS

    assert TRANSPORTS.by_url("kafkachunk://127.0.0.1:9092") is chunk_transport.Transport
