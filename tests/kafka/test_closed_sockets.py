"""Sockets of connects that failed: closed by us; left open by kafka-python, for as long as our change is needed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = """
from streams.kafka.security import kafka_python_kwargs
from streams.settings import Settings
given = kafka_python_kwargs(Settings(bootstrap_servers="127.0.0.1:1"))
"""
WITHOUT_US = "given = {'bootstrap_servers': '127.0.0.1:1'}"
CONNECT = """
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
try:
    KafkaAdminClient(**given | {"bootstrap_timeout_ms": 300})
except KafkaError:
    print("no broker")
"""


def said(given: str) -> str:
    """What a process says whose client finds no broker."""
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", given + CONNECT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout + done.stderr


def test_a_client_that_finds_no_broker_leaves_no_socket_open() -> None:
    assert said(OURS) == "no broker\n"


def test_kafka_python_alone_does() -> None:
    """Fails when kafka-python closes them itself: streams/kafka/closed_sockets.py can go then."""
    assert "unclosed <socket.socket" in said(WITHOUT_US)
