"""Topics for one run on somebody's Kafka: under a prefix that nobody else has, and removed afterwards."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from streams.kafka.admin import delete_topics
from streams.settings import Settings

__all__ = ["own_topics"]


@contextmanager
def own_topics(base: Settings, what: str, *, has_own_broker: bool) -> Iterator[Settings]:
    """Settings with a fresh topic prefix, unless the broker is the run's own: then the usual names are free."""
    if has_own_broker:
        yield base
        return
    settings = base.model_copy(update={"topic_prefix": f"{base.topic_prefix}{what}-{uuid.uuid4().hex[:8]}."})
    try:
        yield settings
    finally:
        delete_topics(settings)
