"""A Kafka and a Redis of one's own that ask for TLS and a password, and settings that have both."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import ConnectionError as NoRedis

from streams.kafka.broker_config import BrokerListener
from streams.kafka.local_broker import LocalBroker
from streams.settings import FeastSettings, KafkaSecurity, Settings

# What a shell, a URL, a YAML file or a connection string might trip over.
KAFKA_PASSWORD = "k4fka=$HOME;'x\"y"
REDIS_PASSWORD = "r3dis=$HOME/@:x"


class Authority:
    """Signs for 127.0.0.1. `key_store`: chain and key in one file, as Kafka wants them (PKCS#8)."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        issued = ca.issue_cert("127.0.0.1")
        key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
        pkcs8 = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.ca_file, self.key_store, self.chain, self.key = (
            folder / name for name in ("ca.pem", "broker.pem", "chain.pem", "key.pem")
        )
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        ca.cert_pem.write_to_path(self.ca_file)
        self.key_store.write_bytes(pkcs8 + chain)
        self.chain.write_bytes(chain)
        self.key.write_bytes(pkcs8)


@contextmanager
def guarded_kafka(folder: Path, authority: Authority) -> Iterator[tuple[str, KafkaSecurity]]:
    """Address of a broker with SCRAM-SHA-512 over TLS, and what a client needs."""
    listener = BrokerListener("SASL_SSL", "SCRAM-SHA-512", {"shop": KAFKA_PASSWORD}, authority.key_store)
    with LocalBroker(folder, cache_dir=Settings().cache_dir, listener=listener) as broker:
        yield (
            broker.bootstrap_servers,
            KafkaSecurity(
                protocol="SASL_SSL",
                sasl_mechanism="SCRAM-SHA-512",
                sasl_username="shop",
                sasl_password=SecretStr(KAFKA_PASSWORD),
                ssl_ca_file=authority.ca_file,
            ),
        )


@contextmanager
def guarded_redis(folder: Path, authority: Authority) -> Iterator[FeastSettings]:
    """A Redis that has no port without TLS, and the settings of the online store in it."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    tls = ["--tls-cert-file", authority.chain, "--tls-key-file", authority.key, "--tls-ca-cert-file", authority.ca_file]
    options = ["--bind", "127.0.0.1", "--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--save", ""]
    server = subprocess.Popen(
        [binary, *options, *map(str, tls), "--requirepass", REDIS_PASSWORD], cwd=folder, stdout=subprocess.DEVNULL
    )
    try:
        client = Redis("127.0.0.1", port, password=REDIS_PASSWORD, ssl=True, ssl_ca_certs=str(authority.ca_file))
        _wait_until_it_answers(server, client)
        text = f"127.0.0.1:{port},ssl=true,ssl_ca_certs={authority.ca_file},password={REDIS_PASSWORD}"
        yield FeastSettings(online_store="redis", redis_connection_string=SecretStr(text))
    finally:
        server.terminate()
        server.wait()


def _wait_until_it_answers(server: subprocess.Popen[bytes], client: "Redis[bytes]") -> None:
    why: NoRedis | None = None
    for _ in range(500):
        try:
            client.ping()
        except NoRedis as error:
            why = error
            Event().wait(0.02)
        else:
            return
    pytest.fail(f"redis-server does not answer, its code is {server.poll()}: {why}")
