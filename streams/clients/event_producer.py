"""The site's client for `events` and `catalogue`: typed, checked before it is sent, and never in a page's way.

Keyed by user (by item for the catalogue) with Kafka's default murmur2, idempotent, batched. An event that breaks the
contract raises at once, where the mistake is; trouble with Kafka never raises: it drops, and counts.
"""

import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import orjson

from streams.clients.background_sender import BackgroundSender, Buffered, OnDrop
from streams.clock import Clock, SystemClock
from streams.errors import InvalidRecordError
from streams.events.decode import decode_catalogue, decode_event
from streams.events.rejection import Rejected
from streams.settings import Settings

__all__ = ["EventProducer", "Given"]


class Given(TypedDict, total=False):
    """What any event may carry. `event_id` is made up and `occurred_at_ms` is now when left out."""

    event_id: str
    occurred_at_ms: int
    session_id: str
    context: Mapping[str, str | bool | float | None]


class EventProducer:
    """Sends what users do and what the shop sells. Thread-safe; use as a context manager, or `close` it at the end.

    `bootstrap_servers` overrides the one of `settings`, which come from the environment when left out.
    `max_block_s` bounds how long a call waits while the buffer of `max_buffered` records is full; then the record is
    dropped: `dropped` counts it and `on_drop(record, why)` is told, as it is of a record that Kafka did not take.
    """

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        *,
        settings: Settings | None = None,
        max_block_s: float = 0.1,
        max_buffered: int = 20_000,
        on_drop: OnDrop | None = None,
        clock: Clock | None = None,
    ) -> None:
        settings = settings or Settings()
        if bootstrap_servers is not None:
            settings = settings.model_copy(update={"bootstrap_servers": bootstrap_servers})
        self._events, self._catalogue = f"{settings.topic_prefix}events", f"{settings.topic_prefix}catalogue"
        self._max_block_s, self._clock = max_block_s, clock or SystemClock()
        self._sender = BackgroundSender(
            settings, (self._events, self._catalogue), max_buffered=max_buffered, on_drop=on_drop
        )

    @property
    def delivered(self) -> int:
        """Records that Kafka has acknowledged."""
        return self._sender.delivered

    @property
    def dropped(self) -> int:
        """Records given up: the buffer was full, or Kafka did not take them."""
        return self._sender.dropped

    def send(self, event: Mapping[str, Any]) -> bool:
        """Send one event of any type; False when it was dropped. Raises InvalidRecordError for a breach of contract."""
        whole = {"event_id": uuid.uuid4().hex, "occurred_at_ms": self._clock.now_ms(), **event}
        raw = _json(whole)
        checked = decode_event(raw)
        if isinstance(checked, Rejected):
            raise InvalidRecordError(f"this event cannot be sent: {checked.reason}: {checked.detail}")
        if checked["type"] == "watermark":
            raise InvalidRecordError("this event cannot be sent: type: found 'watermark', which only a replay may send")
        return self._sender.offer(Buffered(self._events, checked["user_id"].encode(), raw), self._max_block_s)

    def impression(
        self, user_id: str, slate_id: str, surface: str, item_ids: Sequence[str], **given: Unpack[Given]
    ) -> bool:
        """The user really saw these items of a slate, best place first. Other positions: use `send`."""
        items = [{"item_id": item_id, "position": position} for position, item_id in enumerate(item_ids)]
        return self._send("impression", user_id, given, slate_id=slate_id, surface=surface, items=items)

    def click(self, user_id: str, item_id: str, *, slate_id: str | None = None, **given: Unpack[Given]) -> bool:
        """The user opened the item from a slate."""
        return self._send("click", user_id, given, item_id=item_id, slate_id=slate_id)

    def view(self, user_id: str, item_id: str, *, slate_id: str | None = None, **given: Unpack[Given]) -> bool:
        """The item's own page was opened, from anywhere."""
        return self._send("view", user_id, given, item_id=item_id, slate_id=slate_id)

    def dwell(
        self,
        user_id: str,
        item_id: str,
        dwell_s: float,
        *,
        slate_id: str | None = None,
        is_final: bool = True,
        **given: Unpack[Given],
    ) -> bool:
        """The user has spent `dwell_s` seconds with the item so far; a later call replaces the earlier."""
        return self._send(
            "dwell", user_id, given, item_id=item_id, slate_id=slate_id, dwell_s=dwell_s, is_final=is_final
        )

    def cart(
        self,
        user_id: str,
        item_id: str,
        *,
        price: float | None = None,
        quantity: int | None = None,
        slate_id: str | None = None,
        **given: Unpack[Given],
    ) -> bool:
        """The user put the item into the cart."""
        return self._send("cart", user_id, given, item_id=item_id, slate_id=slate_id, price=price, quantity=quantity)

    def order(
        self,
        user_id: str,
        item_id: str,
        *,
        price: float | None = None,
        quantity: int | None = None,
        slate_id: str | None = None,
        **given: Unpack[Given],
    ) -> bool:
        """The user bought the item; one call per item of an order."""
        return self._send("order", user_id, given, item_id=item_id, slate_id=slate_id, price=price, quantity=quantity)

    def cancel(self, user_id: str, item_id: str, *, slate_id: str | None = None, **given: Unpack[Given]) -> bool:
        """The order of the item was called off, or the item was sent back."""
        return self._send("cancel", user_id, given, item_id=item_id, slate_id=slate_id)

    def dislike(self, user_id: str, item_id: str, *, slate_id: str | None = None, **given: Unpack[Given]) -> bool:
        """The user does not want to see the item."""
        return self._send("dislike", user_id, given, item_id=item_id, slate_id=slate_id)

    def search(self, user_id: str, query: str, **given: Unpack[Given]) -> bool:
        """The user typed a query."""
        return self._send("search", user_id, given, query=query)

    def rank(
        self,
        user_id: str,
        surface: str,
        *,
        request_id: str | None = None,
        query: str | None = None,
        items: Sequence[Mapping[str, Any]] | None = None,
        exclude: Sequence[str] | None = None,
        k: int | None = None,
        deadline_ms: int | None = None,
        explain: bool | None = None,
        **given: Unpack[Given],
    ) -> str:
        """Ask for a list; returns the request's id, which the answer on `rankings` carries as its slate_id."""
        request_id = request_id or uuid.uuid4().hex
        self._send(
            "rank", user_id, given, request_id=request_id, surface=surface, query=query, items=items, exclude=exclude,
            k=k, deadline_ms=deadline_ms, explain=explain,
        )  # fmt: skip
        return request_id

    def forget(self, user_id: str, **given: Unpack[Given]) -> bool:
        """Everything that is known of the user is to be removed."""
        return self._send("forget", user_id, given)

    def put_item(self, item: Mapping[str, Any]) -> bool:
        """Set an item's catalogue record, replacing the one before. Raises InvalidRecordError."""
        raw = _json(item)
        return self._sender.offer(Buffered(self._catalogue, _item_key(raw), raw), self._max_block_s)

    def remove_item(self, item_id: str) -> bool:
        """Take an item out of the catalogue. Raises InvalidRecordError."""
        key = _item_key(_json({"item_id": item_id}))
        return self._sender.offer(Buffered(self._catalogue, key, None), self._max_block_s)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything sent so far is delivered or dropped; False when `timeout_s` was too short."""
        return self._sender.flush(timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Flush and disconnect."""
        self._sender.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, kind: str, user_id: str, given: Given, **fields: Any) -> bool:
        """Fields that are None were left out by the caller."""
        return self.send(
            {"type": kind, "user_id": user_id, **given, **{n: v for n, v in fields.items() if v is not None}}
        )


def _json(record: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(dict(record))
    except TypeError as error:
        raise InvalidRecordError(f"this record cannot be sent: {error}; needed values that JSON has") from error


def _item_key(raw: bytes) -> bytes:
    checked = decode_catalogue(raw)
    if isinstance(checked, Rejected):
        raise InvalidRecordError(f"this item cannot be sent: {checked.reason}: {checked.detail}")
    return checked["item_id"].encode()
