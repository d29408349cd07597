"""Every Prometheus metric of the worker and the trainer: name, unit, labels. Nothing here decides or measures.

Each role makes its own registry, so that tests can look at one run alone. Seconds and bytes are the units; consumer lag
carries the names that kafka_exporter and kafka-lag-exporter gave it (stack.md 2.5), so that known dashboards work.
"""

import contextlib
import warnings

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, values

__all__ = ["LagMetrics", "TrainerMetrics", "WorkerMetrics"]

# Importing Feast switches prometheus_client to values in files that processes share. A role is one process: its values
# stay in memory, whoever was imported first.
values.ValueClass = values.MutexValue

_NAMESPACE = "freshrank"
_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_AGE_S = (0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 6 * 3600.0, 86_400.0, 7 * 86_400.0)
_GROUP_TOPIC = ("consumergroup", "topic", "partition")


def _new_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class _Maker:
    """Makes metrics of one registry under our namespace."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_NAMESPACE, registry=self._registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=_NAMESPACE, registry=self._registry)

    def histogram(self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = _FAST_S) -> Histogram:
        return Histogram(name, text, labels, namespace=_NAMESPACE, registry=self._registry, buckets=buckets)


class LagMetrics:
    """How far a consumer group is behind, by partition. Names as in kafka_exporter and kafka-lag-exporter."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge("kafka_consumergroup_lag", "end offset less committed", _GROUP_TOPIC, registry=registry)
        self.lag_s = Gauge(
            "kafka_consumergroup_group_lag_seconds",
            "age of the oldest record not committed",
            _GROUP_TOPIC,
            registry=registry,
        )
        self.committed = Gauge(
            "kafka_consumergroup_current_offset", "committed offset", _GROUP_TOPIC, registry=registry
        )
        self.end = Gauge("kafka_topic_partition_current_offset", "end offset", _GROUP_TOPIC[1:], registry=registry)

    def record(self, group: str, topic: str, partition: int, *, committed: int, end: int) -> None:
        """Set committed and end offset, and the lag between them."""
        labels = (group, topic, str(partition))
        self.lag.labels(*labels).set(max(0, end - committed))
        self.committed.labels(*labels).set(committed)
        self.end.labels(topic, str(partition)).set(end)

    def forget(self, group: str, topic: str, partition: int) -> None:
        """Drop a partition that moved away, so that its last lag does not stay on the board."""
        labels = (group, topic, str(partition))
        for gauge in (self.lag, self.lag_s, self.committed):
            with contextlib.suppress(KeyError), warnings.catch_warnings():
                # It warns of the mode that Feast switched on.
                warnings.simplefilter("ignore", UserWarning)
                gauge.remove(*labels)


class WorkerMetrics:
    """What a worker counts and times."""

    def __init__(self) -> None:
        self.registry = _new_registry()
        make = _Maker(self.registry)
        self._count(make)
        self._time(make)
        self._gauge(make)
        self.consumer = LagMetrics(self.registry)

    def _count(self, make: _Maker) -> None:
        self.events = make.counter("events", "valid events taken in", "type")
        self.rejects = make.counter("rejects", "records refused, by reason", "reason")
        self.dead_letters = make.counter("dead_letters", "records written to dead-letters")
        self.duplicates = make.counter("duplicates", "events dropped as their event_id was seen before")
        self.forwarded = make.counter("forwarded", "records sent on to the partition of their key")
        self.late = make.counter("late", "events older than the watermark")
        self.of_forgotten = make.counter("of_forgotten", "events of a forgotten user from before, refused")
        self.clamped = make.counter("clamped", "event times ahead of append time, set to it")
        self.expired = make.counter("expired_requests", "rank requests past their deadline")
        self.unknown_slates = make.counter("unknown_slates", "actions that name a slate never seen", "type")
        self.rankings = make.counter("rankings", "lists published, by cause", "cause")
        self.sheds = make.counter("sheds", "re-rankings given up under overload, by rule", "rule")
        self.shown = make.counter("shown", "shown records sent to training-examples")
        self.labels = make.counter("labels", "label records sent to training-examples", "task")
        self.skew_lists = make.counter("skew_lists", "lists whose features were computed anew from records alone")
        self.skewed = make.counter("skewed_values", "values of such lists that differed from those served", "feature")
        self.rebalances = make.counter("rebalances", "times partitions were assigned anew")
        self.models_refused = make.counter("models_refused", "announced models not loaded, by reason", "reason")
        self.restored = make.counter("restored_records", "state records read back from the changelog")

    def _time(self, make: _Maker) -> None:
        self.event_to_ranking_s = make.histogram(
            "event_to_ranking_seconds", "append time of an event to the list published because of it", "cause"
        )
        self.chunk_s = make.histogram("chunk_seconds", "work on one chunk, by stage", "stage")
        self.chunk_records = make.histogram(
            "chunk_records", "records in one chunk", buckets=(1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
        )
        self.flush_s = make.histogram("flush_seconds", "making changed state durable, by target", "target")
        self.feature_age_s = make.histogram(
            "feature_age_seconds", "age of the newest event behind a scored list", buckets=_AGE_S
        )

    def _gauge(self, make: _Maker) -> None:
        self.model_age_s = make.gauge("model_age_seconds", "since the serving model was published")
        self.model_version = make.gauge("model_version", "version that scores now; 0: none yet")
        self.open_slates = make.gauge("open_slates", "shown slates with a label window open")
        self.state_bytes = make.gauge("state_bytes", "size of the state on disk")
        self.skew = make.gauge("skew", "largest difference in the last list computed anew, by feature", "feature")
        self.partitions = make.gauge("partitions", "events partitions owned")
        self.ready = make.gauge("ready", "1 when the role is ready")


class TrainerMetrics:
    """What the trainer counts and times."""

    def __init__(self) -> None:
        self.registry = _new_registry()
        make = _Maker(self.registry)
        self.slates = make.counter("slates", "slates taken into the buffer")
        self.labels = make.counter("labels", "label records taken in", "task")
        self.labels_without_shown = make.counter("labels_without_shown", "labels whose slate left the buffer")
        self.rejects = make.counter("rejects", "records refused, by reason", "reason")
        self.rounds = make.counter("rounds", "fine-tune rounds, by decision", "decision")
        self.rollbacks = make.counter("rollbacks", "versions taken back as a former one was surely better on live rows")
        self.slates_capped = make.counter("slates_capped", "slates not learned as their user has far more than others")
        self.slates_skipped = make.counter("slates_skipped", "slates not learned as they have other features")
        self.non_finite = make.counter("non_finite_batches", "batches skipped as loss or gradient was not finite")
        self.rebalances = make.counter("rebalances", "times partitions were assigned anew")
        self.round_s = make.histogram("round_seconds", "one fine-tune round", buckets=(0.1, 0.3, 1, 3, 10, 30, 100))
        self.loss = make.gauge("loss", "loss on rows before they were learned from", "task")
        self.normalised_entropy = make.gauge("normalised_entropy", "log loss over that of the base rate", "task")
        self.pcoc = make.gauge("pcoc", "mean prediction over mean label; 1 is right", "task")
        self.auc = make.gauge("auc", "chance that a positive is above a negative", "task")
        self.slates_waiting = make.gauge("slates_waiting", "learnable slates not yet in a round")
        self.buffer_slates = make.gauge("buffer_slates", "slates in the replay buffer")
        self.buffer_bytes = make.gauge("buffer_bytes", "size of the replay buffer")
        self.published_version = make.gauge("published_version", "newest version published")
        self.champion_version = make.gauge("champion_version", "version that is to serve")
        self.ready = make.gauge("ready", "1 when the role is ready")
        self.consumer = LagMetrics(self.registry)
