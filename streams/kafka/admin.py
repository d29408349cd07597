"""Topics as they must be: made, checked, described, with kafka-python's admin client.

Making is idempotent, and safe when several roles do it at once. It never changes a topic that exists: the number of
partitions cannot change (users would move between them), and other settings may be an operator's choice, so they are
reported, and set only by `repair_topics`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import BrokerResponseError, KafkaError, TopicAlreadyExistsError

from streams.errors import TopicError
from streams.kafka.security import kafka_python_kwargs, unreachable
from streams.settings import Settings
from streams.topics import TopicSpec, topic_specs

__all__ = [
    "TopicState",
    "admin_client",
    "create_topics",
    "delete_topics",
    "describe_topics",
    "repair_topics",
    "require_topics",
    "topic_configs",
]


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is. `differences`: setting -> (found, needed); the number of partitions is judged apart."""

    spec: TopicSpec
    found_partitions: int | None
    differences: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def is_missing(self) -> bool:
        """True when Kafka does not have it."""
        return self.found_partitions is None

    @property
    def is_misplaced(self) -> bool:
        """True when it has another number of partitions than it needs."""
        return self.found_partitions not in {None, self.spec.num_partitions}

    @property
    def is_right(self) -> bool:
        """True when nothing is to be done."""
        return not (self.is_missing or self.is_misplaced or self.differences)


@contextmanager
def admin_client(settings: Settings) -> Iterator[Any]:
    """A connected KafkaAdminClient. Raises BrokerUnreachableError, or TopicError when Kafka refuses."""
    try:
        client = KafkaAdminClient(**kafka_python_kwargs(settings))
        try:
            yield client
        finally:
            client.close()
    except KafkaError as error:
        if isinstance(error, BrokerResponseError) and not error.retriable:
            raise TopicError(
                f"Kafka at {settings.bootstrap_servers} refused ({error}); needed: the right to do this; correct the "
                "user's rights, or the setting that it names"
            ) from error
        raise unreachable(settings, error) from error


def describe_topics(settings: Settings) -> list[TopicState]:
    """All topics as they are, in flow order."""
    with admin_client(settings) as client:
        return _describe(client, settings)


def topic_configs(settings: Settings) -> dict[str, dict[str, str]]:
    """All settings of the topics that exist, by short name, as Kafka applies them."""
    specs = topic_specs(settings)
    with admin_client(settings) as client:
        existing = [state.spec.name for state in _describe(client, settings) if not state.is_missing]
        found = _found_config(client, existing)
    return {short: found[spec.name] for short, spec in specs.items() if spec.name in found}


def create_topics(settings: Settings) -> list[str]:
    """Make the topics that are missing; returns their names.

    Raises:
        TopicError: an existing topic has another number of partitions, or Kafka refuses to make one.
        BrokerUnreachableError: no broker answered.
    """
    with admin_client(settings) as client:
        missing = [state.spec for state in _describe(client, settings) if state.is_missing]
        created = _create(client, missing, settings.replication_factor)
        client.wait_for_topics([spec.name for spec in missing])
        _refuse_misplaced(_describe(client, settings))
        return created


def require_topics(settings: Settings) -> None:
    """Raise TopicError unless every topic exists with the right number of partitions."""
    states = describe_topics(settings)
    _refuse_misplaced(states)
    missing = [state.spec.name for state in states if state.is_missing]
    if missing:
        raise TopicError(
            f"{len(missing)} topics are missing at {settings.bootstrap_servers} (first: {missing[0]}); needed: all "
            f"{len(states)}; run `freshrank topics`, or check FRESHRANK_TOPIC_PREFIX ({settings.topic_prefix!r})"
        )


def repair_topics(settings: Settings) -> list[str]:
    """Set every setting that differs to what it must be; returns the names of the topics changed."""
    with admin_client(settings) as client:
        wrong = [state for state in _describe(client, settings) if state.differences]
        for state in wrong:
            needed = {name: needed for name, (_, needed) in state.differences.items()}
            client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, state.spec.name, needed)])
        return [state.spec.name for state in wrong]


def delete_topics(settings: Settings) -> None:
    """Remove our topics and what our groups committed on them; what does not exist is left out."""
    with admin_client(settings) as client:
        client.delete_topics([spec.name for spec in topic_specs(settings).values()], raise_errors=False)
        client.delete_groups([settings.worker_group, settings.trainer_group])


def _describe(client: Any, settings: Settings) -> list[TopicState]:
    specs = topic_specs(settings)
    found = {
        topic["name"]: len(topic["partitions"])
        for topic in client.describe_topics([spec.name for spec in specs.values()])
        if not topic["error_code"]
    }
    config = _found_config(client, list(found))
    return [_state(spec, found.get(spec.name), config.get(spec.name, {})) for spec in specs.values()]


def _found_config(client: Any, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answer = client.describe_configs(resources, config_filter="all")
    return {
        name: {key: str(entry["value"]) for key, entry in entries.items()} for name, entries in answer["topic"].items()
    }


def _state(spec: TopicSpec, found_partitions: int | None, config: Mapping[str, str]) -> TopicState:
    differences = {
        name: (config.get(name, "nothing"), needed)
        for name, needed in spec.config.items()
        if found_partitions is not None and _words(config.get(name, "")) != _words(needed)
    }
    return TopicState(spec, found_partitions, differences)


def _words(value: str) -> set[str]:
    """Lists such as `compact,delete` have no order."""
    return set(value.split(","))


def _create(client: Any, specs: list[TopicSpec], replication_factor: int) -> list[str]:
    if not specs:
        return []
    wanted = {
        spec.name: {
            "num_partitions": spec.num_partitions,
            "replication_factor": replication_factor,
            "configs": dict(spec.config),
        }
        for spec in specs
    }
    created = []
    for result in client.create_topics(wanted, raise_errors=False)["topics"]:
        code, name = result["error_code"], result["name"]
        if code == 0:
            created.append(name)
        elif code != TopicAlreadyExistsError.errno:  # another role was quicker
            raise TopicError(
                f"Kafka refused to make topic {name} with {wanted[name]['num_partitions']} partitions and "
                f"{replication_factor} copies ({result['error_message']}); correct FRESHRANK_NUM_PARTITIONS, "
                "FRESHRANK_REPLICATION_FACTOR or the user's rights, then run `freshrank topics`"
            )
    return created


def _refuse_misplaced(states: list[TopicState]) -> None:
    for state in states:
        if state.is_misplaced:
            raise TopicError(
                f"topic {state.spec.name} has {state.found_partitions} partitions, needed {state.spec.num_partitions}; "
                "the number cannot change, because users would move to partitions that do not know them; set "
                f"FRESHRANK_NUM_PARTITIONS={state.found_partitions}, or use another FRESHRANK_TOPIC_PREFIX and replay"
            )
