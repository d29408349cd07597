"""When lists are refreshed: after each chunk, between it and the next, and when nothing comes."""

import asyncio
from contextlib import suppress

from streams.worker.serving import Serving

__all__ = ["RefreshLoop"]

# How often surfaces whose interval is over are looked at, when no chunk comes.
TICK_S = 0.02
# What was sent leaves in so many seconds, if nothing holds the event loop: answers to requests go first.
SEND_FIRST_S = 0.001


class RefreshLoop:
    """`turn`: held by whoever holds the event loop for long."""

    def __init__(self, serving: Serving, turn: asyncio.Lock) -> None:
        self._serving, self._turn = serving, turn
        self._has_taken = asyncio.Event()

    def chunk_taken(self) -> None:
        """Something may be due."""
        self._has_taken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_taken.wait(), TICK_S)
            self._has_taken.clear()
            await asyncio.sleep(SEND_FIRST_S)
            async with self._turn:
                self._serving.refresh_due()
