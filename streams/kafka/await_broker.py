"""Waiting for a Kafka that is away when a role starts: as long as it takes, saying so.

A refused password looks the same as no broker; the message names both, and is repeated, so that nobody waits in vain.
"""

import asyncio

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.kafka.security import aiokafka_kwargs, unreachable
from streams.settings import Settings

__all__ = ["await_broker"]

log = structlog.get_logger(__name__)
RETRY_S = 1.0
SAY_EVERY = 30


async def await_broker(settings: Settings) -> None:
    """Return once a broker answers. Raises SettingsError for TLS files that cannot be used."""
    num_tried = 0
    while (reason := await _reason_away(settings)) is not None:
        if num_tried % SAY_EVERY == 0:
            log.warning("broker_away", reason=f"{reason}; trying again until it answers")
        num_tried += 1
        await asyncio.sleep(RETRY_S)
    if num_tried:
        log.info("broker_answers", bootstrap_servers=settings.bootstrap_servers, num_tried=num_tried)


async def _reason_away(settings: Settings) -> str | None:
    client = AIOKafkaClient(**aiokafka_kwargs(settings))
    try:
        await client.bootstrap()
    except KafkaError as error:
        return str(unreachable(settings, error))
    else:
        return None
    finally:
        await client.close()
