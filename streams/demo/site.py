"""The site of a demo: shoppers in real time, their events through the site's own clients, rankings back to them."""

import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from streams.clients.event_producer import EventProducer
from streams.clients.rankings_consumer import RankingsConsumer
from streams.clock import Clock
from streams.demo.crowd import Crowd
from streams.demo.ledger import Ledger
from streams.demo.quality_board import QualityBoard
from streams.settings import Settings

__all__ = ["Site"]

# How long the loop sleeps at most; a shopper's next action may be due then.
_NAP_S = 0.05
_POLL_MS = 100


class Site:
    """Use as a context manager. `waits_ms`: from request to ranking, in order of arrival."""

    def __init__(self, settings: Settings, crowd: Crowd, board: QualityBoard, clock: Clock) -> None:
        self._crowd, self._board, self._clock = crowd, board, clock
        self._producer = EventProducer(settings=settings, clock=clock)
        self._rankings = RankingsConsumer(settings=settings)
        self._answers: queue.SimpleQueue[tuple[str, Sequence[str], float]] = queue.SimpleQueue()
        self._asked_at_s: dict[str, float] = {}
        self._is_over = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="freshrank-site", daemon=True)
        self.ledger = Ledger()
        self.waits_ms: list[float] = []

    @property
    def num_dropped(self) -> int:
        """Events that the producer gave up."""
        return self._producer.dropped

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._listener.join()
        self._rankings.close()
        self._producer.close()

    def put_catalogue(self, items: Sequence[dict[str, Any]]) -> None:
        """Send all items, and return when Kafka has them."""
        for item in items:
            self._producer.put_item(item)
        self._producer.flush()

    def browse(self, until_ms: int, tell: Callable[[], None]) -> None:
        """Let the crowd browse until then; `tell` is called about every 50 ms. Returns when all events are in Kafka."""
        while (now_ms := self._clock.now_ms()) < until_ms:
            self._send(self._crowd.advance(now_ms))
            due_ms = self._crowd.next_due_ms()
            nap_s = _NAP_S if due_ms is None else min(_NAP_S, max(0.0, (due_ms - now_ms) / 1000))
            self._take_answers(nap_s)
            while self._crowd.shown:
                self._board.take(self._crowd.shown.pop())
            tell()
        self._producer.flush()

    def _take_answers(self, nap_s: float) -> None:
        """Wait for an answer at most so long, then hand out all that are there."""
        wait_s: float | None = nap_s
        try:
            while True:
                slate_id, item_ids, received_s = self._answers.get(block=wait_s is not None, timeout=wait_s)
                wait_s = None
                asked_s = self._asked_at_s.pop(slate_id, None)
                if asked_s is not None:
                    self.waits_ms.append(1000 * (received_s - asked_s))
                    self._send(self._crowd.answer(slate_id, item_ids, self._clock.now_ms()))
        except queue.Empty:
            return

    def _send(self, events: Sequence[dict[str, Any]]) -> None:
        for event in events:
            if event["type"] == "rank":
                self._asked_at_s[event["request_id"]] = self._clock.monotonic_s()
            self.ledger.take(event)
            self._producer.send(event)

    def _listen(self) -> None:
        while not self._is_over.is_set():
            for ranking in self._rankings.poll(_POLL_MS):
                if ranking.cause == "request":
                    item_ids = [item.item_id for item in ranking.items]
                    self._answers.put((ranking.slate_id, item_ids, self._clock.monotonic_s()))
