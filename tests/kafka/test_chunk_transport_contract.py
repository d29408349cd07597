"""Internals of Faust and aiokafka that the chunk transport relies on; a failure names what to look at on an upgrade."""

import inspect
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer
from faust.app.base import App
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver

from streams.kafka import chunk_transport


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
    ],
)
def test_overridden_methods_have_the_signature_we_override(owner: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


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

    assert [word for word in words if word not in source] == []


def test_the_transport_is_found_by_its_scheme() -> None:
    from faust.transport.drivers import TRANSPORTS

    assert TRANSPORTS.by_url("kafkachunk://127.0.0.1:9092") is chunk_transport.Transport
