import math
from decimal import Decimal
from typing import Any

import pytest

from streams.clients.background_sender import Buffered
from streams.clients.event_producer import EventProducer
from streams.clock import ManualClock, SystemClock
from streams.errors import InvalidRecordError
from streams.settings import Settings

Drops = list[tuple[Buffered, str]]


def unconnected(settings: Settings, drops: Drops, **limits: Any) -> EventProducer:
    """A producer whose broker is away: nothing answers at the address of the `settings` fixture."""
    return EventProducer(settings=settings, on_drop=lambda record, why: drops.append((record, why)), **limits)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            {"type": "click", "user_id": "u"},
            "this event cannot be sent: missing_field: item_id: not in the record, needed",
        ),
        (
            {"type": "clik", "user_id": "u"},
            "this event cannot be sent: unknown_type: type: found 'clik', must be one of",
        ),
        (
            {"type": "dwell", "user_id": "u", "item_id": "i", "dwell_s": -1},
            "impossible_value: dwell_s: found -1, must be greater than or equal to 0",
        ),
        ({"type": "cart", "user_id": "u", "item_id": "i", "price": math.nan}, "wrong_type: price: found None"),
        ({"type": "cart", "user_id": "u", "item_id": "i", "price": Decimal(1)}, "Decimal.*needed values that JSON has"),
        ({"type": "watermark", "user_id": ""}, "found 'watermark', which only a replay may send"),
    ],
)
def test_an_event_that_breaks_the_contract_raises_where_it_is_sent(
    settings: Settings, event: dict[str, Any], message: str
) -> None:
    with EventProducer(settings=settings) as producer, pytest.raises(InvalidRecordError, match=message):
        producer.send(event)


def test_an_item_that_breaks_the_contract_raises_where_it_is_sent(settings: Settings) -> None:
    with EventProducer(settings=settings) as producer, pytest.raises(InvalidRecordError, match="kind: found 'book'"):
        producer.put_item({"item_id": "i", "kind": "book"})
    with EventProducer(settings=settings) as producer, pytest.raises(InvalidRecordError, match="item_id: found ''"):
        producer.remove_item("")


def test_without_a_broker_a_full_buffer_drops_within_the_bound_and_says_so(settings: Settings) -> None:
    drops: Drops = []
    producer = unconnected(settings, drops, max_buffered=3, max_block_s=0.05)
    clock = SystemClock()
    assert [producer.search("u", f"q{k}") for k in range(3)] == [True, True, True]
    began_s = clock.monotonic_s()
    assert [producer.search("u", "q3"), producer.click("v", "i")] == [False, False]
    waited_s = clock.monotonic_s() - began_s
    assert 0.1 <= waited_s < 0.5
    assert (producer.dropped, producer.delivered) == (2, 0)
    assert [(record.topic, record.key, why) for record, why in drops] == [
        (f"{settings.topic_prefix}events", b"u", "the buffer of 3 records stayed full for 0.05 s"),
        (f"{settings.topic_prefix}events", b"v", "the buffer of 3 records stayed full for 0.05 s"),
    ]
    assert producer.flush(timeout_s=0.01) is False
    producer.close(timeout_s=0.01)
    assert producer.dropped == 5


def test_a_drop_handler_that_fails_harms_nobody(settings: Settings) -> None:
    def fails(record: Buffered, why: str) -> None:
        raise RuntimeError(why)

    producer = EventProducer(settings=settings, max_buffered=1, max_block_s=0, on_drop=fails)
    assert [producer.search("u", "q"), producer.search("u", "q")] == [True, False]
    producer.close(timeout_s=0)
    assert producer.dropped == 2


def test_a_closed_producer_says_so(settings: Settings, clock: ManualClock) -> None:
    producer = EventProducer(settings=settings, clock=clock)
    producer.close()
    producer.close()
    with pytest.raises(RuntimeError, match="closed; make a new one"):
        producer.search("u", "q")
