"""What we rely on in aiokafka, kafka-python and Faust's app beyond their documents; a failure says what to look at."""

import inspect
from importlib.metadata import version

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from faust.app.base import App
from faust.types.settings import Settings as FaustSettings
from kafka.partitioner.default import murmur2 as murmur2_of_kafka_python

from streams.kafka.partitioner import partition_for


def test_kafka_python_is_the_version_that_was_read() -> None:
    assert version("kafka-python") == "3.0.12", (
        "read what changed in KafkaAdminClient and OffsetSpec, run tests/integration/test_lag_reader.py, "
        "look at streams/kafka/{admin,group_offsets,lag_reader}.py, then pin the new version here"
    )


@pytest.mark.parametrize("name", ["force_metadata_update", "add_topic"])
def test_a_topic_can_be_asked_for(name: str) -> None:
    assert hasattr(AIOKafkaClient, name), (
        f"AIOKafkaClient.{name} is gone: look at `_partitions` of streams/kafka/tail.py, which waits for topics"
    )
    assert "self._client = AIOKafkaClient(" in inspect.getsource(AIOKafkaConsumer.__init__), (
        "AIOKafkaConsumer has no `_client` any more: look at `_partitions` of streams/kafka/tail.py"
    )


@pytest.mark.parametrize("key", ["", "u1", "\u00e9t\u00e9", '"' * 256])
def test_all_clients_put_a_key_into_the_same_partition(key: str) -> None:
    raw = key.encode()

    assert murmur2(raw) & 0x7FFFFFFF == murmur2_of_kafka_python(raw) & 0x7FFFFFFF, (
        "aiokafka and kafka-python hash keys differently: look at streams/kafka/partitioner.py; users would move"
    )
    assert partition_for(key, 12) == (murmur2(raw) & 0x7FFFFFFF) % 12


PLACES = [9, 4, 6, 1, 4]


def test_keys_stay_where_they_are() -> None:
    found = [partition_for(key, 12) for key in ("", "u1", "u2", "\u00e9t\u00e9", "a much longer user id")]

    assert found == PLACES, "partitions of keys changed: look at streams/kafka/partitioner.py; users would move"


def test_a_ready_batch_takes_its_first_record_and_says_when_it_is_full() -> None:
    builder = BatchBuilder(64, 0)
    first = builder.append(key=None, value=b"x" * 1000, timestamp=None)
    second = builder.append(key=None, value=b"x", timestamp=None)

    assert first is not None, "a batch refuses a first record larger than itself: look at record_batches.py"
    assert second is None, "a full batch takes more: look at `filled_batches` of streams/kafka/record_batches.py"
    assert builder.record_count() == 1


@pytest.mark.parametrize("name", ["create_batch", "send_batch", "transaction"])
def test_the_producer_takes_ready_batches_and_transactions(name: str) -> None:
    assert hasattr(AIOKafkaProducer, name), f"AIOKafkaProducer.{name} is gone: look at streams/kafka/record_*.py"


SETTINGS = (
    "broker_consumer", "broker_credentials", "broker_session_timeout", "broker_heartbeat_interval",
    "broker_rebalance_timeout", "broker_commit_interval", "broker_commit_every", "consumer_group_instance_id",
    "consumer_auto_offset_reset", "stream_buffer_maxsize", "stream_wait_empty", "agent_supervisor",
    "table_standby_replicas", "topic_disable_leader", "topic_allow_declare", "web_enabled",
)  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_faust_has_the_settings_that_we_change(name: str) -> None:
    known = inspect.signature(FaustSettings.on_init).parameters.keys() | set(dir(FaustSettings))

    assert name in known, f"Faust has no setting {name!r} any more, and ignores others: look at `_app` of app.py"


@pytest.mark.parametrize(
    "name", ["on_first_start", "on_stop", "crash", "on_partitions_assigned", "_consumer_wait_empty"]
)
def test_a_faust_app_has_what_the_role_app_overrides(name: str) -> None:
    assert hasattr(App, name), f"faust.App.{name} is gone: look at RoleApp of streams/app.py and streams/*/agents.py"


def test_streams_can_leave_acknowledging_to_us() -> None:
    assert {"noack", "events"} <= set(dir(faust.Stream)), (
        "a Faust stream has no noack().events() any more: look at agents.py in streams/worker and streams/training"
    )
