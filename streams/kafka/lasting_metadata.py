"""Keeps metadata coming: aiokafka 0.14 ends the task that asks for it at the first error that it did not expect.

Whoever waits for that client's metadata then waits for good and says nothing: a producer that was told of a new leader
after Kafka came back, and with it the flush of a worker. It is changed in aiokafka itself, as every client of the
process has such a task, also Faust's; tests/kafka/test_lasting_metadata.py tells when this can go.
"""

import asyncio
from typing import Any

import structlog
from aiokafka.client import AIOKafkaClient

__all__ = ["keep_metadata_coming"]

log = structlog.get_logger(__name__)
RETRY_S = 0.1
_ending = AIOKafkaClient._md_synchronizer  # noqa: SLF001  # no public way to see or restart the task


async def _lasting(self: Any) -> None:
    while True:
        try:
            await _ending(self)
        except Exception:
            # Whatever it is: to go on asking is all that can be done, and the log tells what to report.
            log.exception("metadata_not_updated", topics=sorted(self._topics), again_in_s=RETRY_S)
            await asyncio.sleep(RETRY_S)
            if not self._md_update_waiter.done():
                self._md_update_waiter.set_result(None)


def keep_metadata_coming() -> None:
    """For all clients of the process, from now on."""
    AIOKafkaClient._md_synchronizer = _lasting  # noqa: SLF001  # as above
