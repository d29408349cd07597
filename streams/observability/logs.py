"""Logs: one event name and fields per line; coloured at a terminal, JSON lines elsewhere, always to standard error.

Faust, aiokafka and kafka-python log through the standard library; their records take the same route, and the chatty
ones are held at warning. Whatever looks like a secret is masked in one place, after everything has been rendered to
fields, so that no call can forget it.
"""

import logging.config
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from pydantic import SecretStr

__all__ = ["configure_logs", "logging_config", "mask_secrets"]

EventDict = MutableMapping[str, Any]

_MASK = "***"
_SECRET_FIELD = re.compile(r"password|secret|token|credential|authorization", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"((?:password|secret|token)\w*['\"]?\s*[=:]\s*)(?!\*\*\*)[^\s,;)]+", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*:)[^\s/@]+(?=@)")
# At info these tell of each fetch, each connection or each assignment; a fault still shows as a warning. The two of
# ours are Faust's services by inheritance: they say that they start.
_CHATTY = (
    "aiokafka", "kafka", "faust", "mode", "aiohttp.access", "asyncio", "feast", "urllib3", "py.warnings",
    "streams.app", "streams.kafka.chunk_transport",
)  # fmt: skip


def mask_secrets(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """A structlog processor: hides secret fields, and secrets inside texts (`password=…`, `redis://:…@host`)."""
    for key, value in event_dict.items():
        if isinstance(value, SecretStr) or (_SECRET_FIELD.search(key) and isinstance(value, str | bytes)):
            event_dict[key] = _MASK
        elif isinstance(value, str):
            event_dict[key] = _URL_PASSWORD.sub(rf"\1{_MASK}", _SECRET_TEXT.sub(rf"\1{_MASK}", value))
    return event_dict


def logging_config(
    role: str, *, level: str = "info", stream: TextIO | None = None, is_console: bool | None = None
) -> dict[str, Any]:
    """The standard library's `dictConfig` for a role; `app.conf.logging_config` of Faust takes the same.

    `is_console` None: coloured when `stream` (standard error by default) is a terminal.
    """
    target = stream or sys.stderr
    console = target.isatty() if is_console is None else is_console
    quiet = max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()])
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"freshrank": {"()": _formatter, "role": role, "is_console": console}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "freshrank", "stream": target}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {name: {"level": quiet, "handlers": [], "propagate": True} for name in _CHATTY},
    }


def configure_logs(
    role: str = "freshrank", *, level: str = "info", stream: TextIO | None = None, is_console: bool | None = None
) -> None:
    """Route structlog and the standard library's logging to `stream`. Call once per process, first."""
    logging.config.dictConfig(logging_config(role, level=level, stream=stream, is_console=is_console))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _shared_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(role: str, *, is_console: bool) -> structlog.stdlib.ProcessorFormatter:
    def add_role(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
        return {"role": role, **event_dict}

    # The console renderer prints tracebacks itself; JSON needs them as text first.
    exceptions: list[structlog.typing.Processor] = [] if is_console else [structlog.processors.format_exc_info]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(pad_event_to=24, exception_formatter=structlog.dev.plain_traceback)
        if is_console
        else structlog.processors.JSONRenderer(default=str)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared_processors(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_role,
            *exceptions,
            mask_secrets,
            renderer,
        ],
    )
