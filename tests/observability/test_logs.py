"""Logs: JSON elsewhere, colour at a terminal, foreign records on the same route, no secret ever."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from streams.observability.logs import configure_logs, mask_secrets

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written() -> Iterator[Lines]:
    """Logging configured into a buffer; the previous root handlers come back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs("worker", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_becomes_one_json_line_with_its_fields(written: Lines) -> None:
    structlog.get_logger("streams.worker").info("chunk_done", records=3, partition=1)

    [line] = written()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "role": "worker",
        "event": "chunk_done",
        "level": "info",
        "logger": "streams.worker",
        "records": 3,
        "partition": 1,
    }


def test_standard_library_records_take_the_same_route(written: Lines) -> None:
    logging.getLogger("some.library").warning("lost %s", "broker", extra={"node": 1})

    [line] = written()
    assert (line["event"], line["level"], line["node"]) == ("lost broker", "warning", 1)


def test_chatty_libraries_are_heard_from_warning_on(written: Lines) -> None:
    logging.getLogger("aiokafka.consumer.fetcher").info("fetching")
    logging.getLogger("faust.transport").warning("partition lost")

    assert [line["event"] for line in written()] == ["partition lost"]


def test_an_exception_is_text_inside_the_line(written: Lines) -> None:
    try:
        int("torn file")
    except ValueError:
        structlog.get_logger().exception("load_failed")

    [line] = written()
    assert line["event"] == "load_failed"
    assert "ValueError: invalid literal for int() with base 10: 'torn file'" in line["exception"]


def test_secrets_are_masked_in_fields_texts_and_addresses() -> None:
    masked = mask_secrets(
        None,
        "info",
        {
            "event": "connecting with sasl_plain_password='hunter2', user=shop",
            "sasl_password": "hunter2",
            "store": "redis://:hunter2@127.0.0.1:6379",
            "key": SecretStr("hunter2"),
            "topic": "events",
        },
    )

    assert "hunter2" not in json.dumps(masked)
    assert masked["store"] == "redis://:***@127.0.0.1:6379"
    assert masked["event"].endswith(", user=shop")
    assert masked["topic"] == "events"


def test_secrets_in_exceptions_are_masked_too(written: Lines) -> None:
    try:
        int("no answer from redis://:hunter2@127.0.0.1:6379")
    except ValueError:
        structlog.get_logger().exception("store_away")

    [line] = written()
    assert "redis://:***@127.0.0.1" in line["exception"]
    assert "hunter2" not in json.dumps(line)


def test_a_console_gets_readable_text_instead_of_json() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("trainer", stream=stream, is_console=True)
    structlog.get_logger("streams.training").info("round_done", decision="published")
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)

    assert "round_done" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
