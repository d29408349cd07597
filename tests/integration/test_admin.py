"""Topics on the real broker: made once however often and by however many, and never changed behind one's back."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from streams.errors import TopicError
from streams.kafka.admin import admin_client, create_topics, describe_topics, repair_topics, require_topics
from streams.kafka.local_broker import LocalBroker
from streams.settings import Settings
from streams.topics import topic_specs

pytestmark = pytest.mark.integration


def test_creating_makes_every_topic_as_the_table_says(kafka: LocalBroker, settings: Settings) -> None:
    created = create_topics(settings)
    assert sorted(created) == sorted(spec.name for spec in topic_specs(settings).values())
    assert all(state.is_right for state in describe_topics(settings))
    assert {s.spec.short: s.found_partitions for s in describe_topics(settings)}["model-updates"] == 1
    require_topics(settings)


def test_creating_twice_makes_nothing_the_second_time(kafka: LocalBroker, settings: Settings) -> None:
    create_topics(settings)
    assert create_topics(settings) == []


def test_roles_that_create_at_once_all_succeed_and_each_topic_is_made_once(
    kafka: LocalBroker, settings: Settings
) -> None:
    with ThreadPoolExecutor(4) as roles:
        created = [name for names in roles.map(create_topics, [settings] * 4) for name in names]
    assert sorted(created) == sorted(spec.name for spec in topic_specs(settings).values())


def test_another_number_of_partitions_is_refused_because_users_would_move(
    kafka: LocalBroker, settings: Settings
) -> None:
    create_topics(settings)
    more = settings.model_copy(update={"num_partitions": 5})
    for use in (create_topics, require_topics):
        with pytest.raises(TopicError, match=r"has 3 partitions, needed 5.*users would move.*NUM_PARTITIONS=3"):
            use(more)


def test_a_missing_topic_is_named_with_the_command_that_makes_it(kafka: LocalBroker, settings: Settings) -> None:
    with pytest.raises(TopicError, match=r"8 topics are missing .*first: .*events.*run `freshrank topics`"):
        require_topics(settings)


def test_a_changed_setting_is_reported_left_alone_by_creating_and_set_by_repair(
    kafka: LocalBroker, settings: Settings
) -> None:
    create_topics(settings)
    name = topic_specs(settings)["events"].name
    with admin_client(settings) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "1000"})])
    create_topics(settings)
    assert {s.spec.name: s.differences for s in describe_topics(settings) if s.differences} == {
        name: {"retention.ms": ("1000", "604800000")}
    }
    assert repair_topics(settings) == [name]
    assert all(state.is_right for state in describe_topics(settings))


def test_more_copies_than_brokers_is_refused_with_the_setting_to_change(kafka: LocalBroker, settings: Settings) -> None:
    with pytest.raises(TopicError, match=r"7 copies .*FRESHRANK_REPLICATION_FACTOR"):
        create_topics(settings.model_copy(update={"replication_factor": 7}))
