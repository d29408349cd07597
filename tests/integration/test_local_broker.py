"""The local Kafka as a process: what survives which end, and what it says when it cannot start."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cryptography.hazmat.primitives import serialization
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.errors import BrokerStartError, BrokerUnreachableError
from streams.kafka.admin import create_topics, describe_topics
from streams.kafka.broker_config import BrokerListener
from streams.kafka.lag_reader import read_lag
from streams.kafka.local_broker import LocalBroker
from streams.kafka.security import aiokafka_kwargs, kafka_python_kwargs
from streams.settings import KafkaSecurity, Settings

pytestmark = pytest.mark.integration
CACHE_DIR = Settings().cache_dir


def send(settings: Settings, values: list[bytes]) -> None:
    """Acknowledged, or an error."""
    with KafkaProducer(**kafka_python_kwargs(settings)) as producer:
        sent = [producer.send(f"{settings.topic_prefix}events", value, partition=0) for value in values]
        for acknowledged in sent:
            acknowledged.get(timeout=30)


def read(settings: Settings, num_records: int) -> list[bytes]:
    at = TopicPartition(f"{settings.topic_prefix}events", 0)
    consumer = KafkaConsumer(**kafka_python_kwargs(settings), group_id=None, auto_offset_reset="earliest")
    try:
        consumer.assign([at])
        found: list[bytes] = []
        while len(found) < num_records:
            found += [record.value for records in consumer.poll(timeout_ms=100).values() for record in records]
        assert consumer.end_offsets([at])[at] == num_records
        return found
    finally:
        consumer.close()


def test_what_was_acknowledged_outlives_kill_9_and_a_clean_restart_on_the_same_address(
    kafka: LocalBroker, settings: Settings
) -> None:
    create_topics(settings)
    address = kafka.bootstrap_servers
    send(settings, [b"before"])
    kafka.kill()
    kafka.start()
    send(settings, [b"after kill -9"])
    kafka.restart()
    assert kafka.bootstrap_servers == address
    assert read(settings, 2) == [b"before", b"after kill -9"]


def test_a_paused_broker_answers_again_after_it_is_resumed(kafka: LocalBroker, settings: Settings) -> None:
    create_topics(settings)
    kafka.pause()
    assert kafka.is_running
    kafka.resume()
    send(settings, [b"on it goes"])
    assert read(settings, 1) == [b"on it goes"]


def test_a_data_folder_goes_on_in_another_process_on_other_ports(kafka: LocalBroker, tmp_path: Path) -> None:
    with LocalBroker(tmp_path, cache_dir=CACHE_DIR) as first:
        settings = Settings(bootstrap_servers=first.bootstrap_servers, num_partitions=1)
        create_topics(settings)
        send(settings, [b"kept"])
    with LocalBroker(tmp_path, cache_dir=CACHE_DIR) as second:
        settings = settings.model_copy(update={"bootstrap_servers": second.bootstrap_servers})
        assert read(settings, 1) == [b"kept"]
        with pytest.raises(BrokerStartError, match=rf"in use by another broker \(process {second.pid}\)"):
            LocalBroker(tmp_path, cache_dir=CACHE_DIR).start()


def test_a_taken_port_is_an_error_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        broker = LocalBroker(tmp_path, cache_dir=CACHE_DIR, port=port)
        with pytest.raises(BrokerStartError, match=rf"port {port} of 127\.0\.0\.1 is already in use.*--port"):
            broker.start()
    assert not broker.is_running
    assert not broker.folder.log_folder.exists()


def test_damage_that_only_kafka_can_see_is_reported_with_its_own_words(tmp_path: Path) -> None:
    with LocalBroker(tmp_path, cache_dir=CACHE_DIR) as broker:
        log_folder = broker.folder.log_folder
    for snapshot in log_folder.rglob("*.checkpoint"):
        snapshot.write_bytes(b"\x00" * 64)
    (log_folder / "__cluster_metadata-0" / "quorum-state").write_text("{")
    with pytest.raises(BrokerStartError, match=r"ended with exit code [1-9](.|\n)*broker\.log(.|\n)*Exception"):
        LocalBroker(tmp_path, cache_dir=CACHE_DIR).start()


STARTER = """
import sys
from pathlib import Path
from streams.kafka.local_broker import LocalBroker
broker = LocalBroker(Path(sys.argv[1]), cache_dir=Path(sys.argv[2])).start()
print(broker.pid, flush=True)
sys.stdin.read()
"""


def test_the_broker_ends_with_the_process_that_started_it_even_by_kill_9(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, tmp_path, CACHE_DIR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with starter:
        assert starter.stdout is not None
        assert int(starter.stdout.readline()) > 0
        starter.send_signal(signal.SIGKILL)
    # The folder becomes free only when the broker has ended: the lock is its own.
    with LocalBroker(tmp_path, cache_dir=CACHE_DIR) as next_one:
        assert next_one.is_running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """CA certificate, and the broker's chain and key in one file; Kafka wants the key as PKCS#8."""
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    issued = ca.issue_cert("127.0.0.1")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    (folder / "broker.pem").write_bytes(pkcs8 + chain)
    return folder / "ca.pem", folder / "broker.pem"


@pytest.fixture(scope="module", params=["PLAIN", "SCRAM-SHA-256"])
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: tuple[Path, Path]
) -> Iterator[Settings]:
    """A broker that wants TLS and a password, and settings that have both."""
    ca_file, key_store = authority
    listener = BrokerListener("SASL_SSL", request.param, {"shop": "s3cret"}, key_store)
    with LocalBroker(tmp_path_factory.mktemp("guarded"), cache_dir=CACHE_DIR, listener=listener) as broker:
        security = KafkaSecurity.model_validate(
            {
                "protocol": "SASL_SSL",
                "sasl_mechanism": request.param,
                "sasl_username": "shop",
                "sasl_password": "s3cret",
                "ssl_ca_file": ca_file,
            }
        )
        yield Settings(bootstrap_servers=broker.bootstrap_servers, num_partitions=1, security=security)


async def test_with_tls_and_a_password_admin_lag_and_both_clients_work(guarded: Settings) -> None:
    await asyncio.to_thread(create_topics, guarded)
    topic = f"{guarded.topic_prefix}events"
    async with AIOKafkaProducer(**aiokafka_kwargs(guarded)) as producer:
        await producer.send_and_wait(topic, b"by aiokafka")
    await asyncio.to_thread(send, guarded, [b"by kafka-python"])
    async with AIOKafkaConsumer(topic, **aiokafka_kwargs(guarded), auto_offset_reset="earliest") as consumer:
        assert [(await consumer.getone()).value for _ in range(2)] == [b"by aiokafka", b"by kafka-python"]
    report = await asyncio.to_thread(read_lag, guarded, [guarded.worker_group], 0)
    assert report.total_lag == 2


@pytest.mark.parametrize("guarded", ["SCRAM-SHA-256"], indirect=True)
def test_a_wrong_password_is_refused_with_a_hint_at_it(guarded: Settings) -> None:
    wrong = guarded.security.model_copy(update={"sasl_username": "thief"})
    with pytest.raises(BrokerUnreachableError, match="user 'thief'; a refused user, password or certificate"):
        describe_topics(guarded.model_copy(update={"security": wrong}))
