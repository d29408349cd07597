"""The clients of a site against a real Kafka."""

import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.clients.event_producer import EventProducer
from streams.clients.rankings_consumer import RankingsConsumer
from streams.clock import ManualClock
from streams.errors import TopicError
from streams.kafka.admin import create_topics
from streams.kafka.local_broker import LocalBroker
from streams.kafka.partitioner import partition_for
from streams.ranking.record import RankedItem, Ranking, ranking_key
from streams.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka")]


def records(settings: Settings, short: str) -> list[Any]:
    """Everything on a topic now, by partition and offset."""
    with KafkaConsumer(bootstrap_servers=settings.bootstrap_servers, group_id=None) as consumer:
        partitions = [TopicPartition(settings.topic_prefix + short, n) for n in range(settings.num_partitions)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        found: list[Any] = []
        while any(consumer.position(tp) < end for tp, end in ends.items()):
            found += [record for batch in consumer.poll(timeout_ms=500).values() for record in batch]
    return sorted(found, key=lambda record: (record.partition, record.offset))


def ranking(user_id: str, slate_id: str, surface: str = "home") -> Ranking:
    return Ranking(
        slate_id=slate_id,
        user_id=user_id,
        surface=surface,
        items=[RankedItem(item_id="i", kind="product", score=0.5, predictions={"click": 0.5})],
        model_version=1,
        features_as_of_ms=1,
        watermark_ms=2,
        scored_at_ms=3,
        cause="event",
        score_weights={"click": 1.0},
    )


def publish(settings: Settings, *rankings: Ranking) -> None:
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    for each in rankings:
        key = ranking_key(each.user_id, each.surface)
        producer.send(f"{settings.topic_prefix}rankings", each.model_dump_json().encode(), key=key)
    producer.flush()
    producer.close()


def test_every_kind_of_event_arrives_keyed_by_user_in_order_and_in_its_partition(
    settings: Settings, clock: ManualClock
) -> None:
    create_topics(settings)
    with EventProducer(settings=settings, clock=clock) as site:
        site.impression("u1", "s1", "home", ["a", "b"])
        site.click("u1", "a", slate_id="s1", event_id="mine", session_id="v", context={"device": "phone"})
        site.view("u1", "a")
        site.dwell("u1", "a", 12.5, slate_id="s1", is_final=False)
        site.cart("u1", "a", price=9.5, quantity=2)
        site.order("u1", "a", price=9.5)
        site.cancel("u1", "a")
        site.dislike("u1", "b")
        site.search("u1", "socks")
        request_id = site.rank("u1", "home", query="socks", items=[{"item_id": "a"}], exclude=["b"], k=5)
        site.forget("u1")
        assert site.flush()
        assert (site.delivered, site.dropped) == (11, 0)
    arrived = records(settings, "events")
    events = [orjson.loads(record.value) for record in arrived]
    assert {record.key for record in arrived} == {b"u1"}
    assert {record.partition for record in arrived} == {partition_for("u1", settings.num_partitions)}
    assert [event["type"] for event in events] == [
        "impression", "click", "view", "dwell", "cart", "order", "cancel", "dislike", "search", "rank", "forget",
    ]  # fmt: skip
    assert len({event["event_id"] for event in events}) == 11
    assert {event["occurred_at_ms"] for event in events} == {clock.now_ms()}
    assert events[0]["items"] == [{"item_id": "a", "position": 0}, {"item_id": "b", "position": 1}]
    assert events[1] == {
        "event_id": "mine", "occurred_at_ms": clock.now_ms(), "type": "click", "user_id": "u1", "item_id": "a",
        "slate_id": "s1", "session_id": "v", "context": {"device": "phone"},
    }  # fmt: skip
    assert (events[9]["request_id"], events[9]["k"]) == (request_id, 5)


def test_items_are_set_and_removed_by_key(settings: Settings) -> None:
    create_topics(settings)
    with EventProducer(settings=settings) as site:
        site.put_item({"item_id": "é", "title": "A", "price": 5})
        site.remove_item("é")
    assert [(record.key, record.value) for record in records(settings, "catalogue")] == [
        ("é".encode(), b'{"item_id":"\xc3\xa9","title":"A","price":5}'),
        ("é".encode(), None),
    ]


def test_events_wait_for_a_topic_that_is_missing_and_no_topic_is_made_by_accident(settings: Settings) -> None:
    """A topic made by a client would have another number of partitions, for ever."""
    with EventProducer(settings=settings) as site:
        assert site.search("u", "q")
        assert not site.flush(timeout_s=1)
        with KafkaConsumer(bootstrap_servers=settings.bootstrap_servers) as consumer:
            assert f"{settings.topic_prefix}events" not in consumer.topics()
        create_topics(settings)
        assert site.flush(timeout_s=30)
        assert (site.dropped, site.delivered) == (0, 1)
    assert [orjson.loads(record.value)["query"] for record in records(settings, "events")] == ["q"]


def test_rankings_are_iterated_for_all_users_or_for_some(settings: Settings) -> None:
    create_topics(settings)
    published = [ranking("u1", "1"), ranking("a|b", "2", "c|d"), ranking("u2", "3"), ranking("u1", "4", "search")]
    publish(settings, *published)
    with RankingsConsumer(settings=settings, start="beginning") as everyone:
        assert sorted(islice(everyone, 4), key=lambda r: r.slate_id) == published
    with RankingsConsumer(settings=settings, start="beginning", user_ids=["u1", "a|b"]) as some:
        assert sorted(r.slate_id for r in islice(some, 3)) == ["1", "2", "4"]


def test_the_newest_start_leaves_out_what_was_published_before(settings: Settings) -> None:
    create_topics(settings)
    publish(settings, ranking("u", "before"))
    with RankingsConsumer(settings=settings) as consumer:
        publish(settings, ranking("u", "after"))
        assert next(iter(consumer)).slate_id == "after"


def test_the_latest_list_of_each_user_and_surface_is_kept_in_memory(settings: Settings) -> None:
    create_topics(settings)
    publish(settings, ranking("u", "1"), ranking("u", "2"), ranking("u", "3", "search"), ranking("v", "4"))
    with RankingsConsumer(settings=settings, start="beginning") as kept:
        assert kept.keep_latest()
        found = [kept.latest("u"), kept.latest("u", "search"), kept.latest("v"), kept.latest("w")]
        assert [r and r.slate_id for r in found] == ["2", "3", "4", None]
        with pytest.raises(RuntimeError, match="make another one to iterate"):
            next(iter(kept))


def test_memory_keeps_at_most_the_given_number_of_lists(settings: Settings) -> None:
    create_topics(settings)
    publish(settings, *(ranking("u", str(k), f"surface{k}") for k in range(5)))
    with RankingsConsumer(settings=settings, start="beginning", max_kept=2) as kept:
        assert kept.keep_latest()
        assert sum(kept.latest("u", f"surface{k}") is not None for k in range(5)) == 2


def test_a_record_that_is_no_ranking_is_counted_and_passed_over(settings: Settings) -> None:
    create_topics(settings)
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    producer.send(f"{settings.topic_prefix}rankings", b"{cut", key=b"u\0home")
    producer.send(f"{settings.topic_prefix}rankings", None, key=b"u\0home")
    producer.close()
    with RankingsConsumer(settings=settings, start="beginning") as kept:
        assert kept.keep_latest()
        assert (kept.undecodable, kept.latest("u")) == (1, None)


def test_a_missing_topic_is_an_error_that_says_what_to_run(settings: Settings) -> None:
    with pytest.raises(TopicError, match=r"rankings was not found.*run `freshrank topics`"):
        RankingsConsumer(settings=settings)


def test_while_kafka_is_away_calls_stay_short_and_what_was_buffered_arrives_afterwards(
    kafka: LocalBroker, settings: Settings
) -> None:
    create_topics(settings)
    with EventProducer(settings=settings, max_buffered=50, max_block_s=0.01) as site:
        site.search("u", "before")
        assert site.flush()
        kafka.pause()
        try:
            taken = [site.search("u", f"q{k}") for k in range(60)]
        finally:
            kafka.resume()
        assert taken == [True] * 50 + [False] * 10
        assert site.flush(timeout_s=60)
        assert (site.delivered, site.dropped) == (51, 10)
    queries = [orjson.loads(record.value)["query"] for record in records(settings, "events")]
    assert queries == ["before", *(f"q{k}" for k in range(50))]


def test_a_program_that_ends_without_closing_still_sends_what_it_took(settings: Settings) -> None:
    create_topics(settings)
    program = "from streams.clients.event_producer import EventProducer; EventProducer().search('u', 'last words')"
    environment = {**settings.to_env(), "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
    assert [orjson.loads(record.value)["query"] for record in records(settings, "events")] == ["last words"]


def test_closing_from_another_thread_ends_an_iteration_that_waits(settings: Settings) -> None:
    create_topics(settings)
    publish(settings, ranking("u", "1"))
    consumer = RankingsConsumer(settings=settings, start="beginning")
    seen: list[str] = []

    def read() -> None:
        for each in consumer:
            seen.append(each.slate_id)
            reached.set()

    reached, reader = threading.Event(), threading.Thread(target=read)
    reader.start()
    assert reached.wait(30)
    consumer.close()
    reader.join(30)
    assert (seen, reader.is_alive()) == (["1"], False)
