"""Every tunable in one frozen object. The only module that reads the environment: `FRESHRANK_…`, sections by `__`.

Child processes get the same settings through the environment: `Settings.to_env()`.
"""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.feature_schema import FeatureSchema
from models.task_checks import check_tasks, with_defaults
from models.tasks import DEFAULT_TASKS, Task

__all__ = [
    "CatalogueFields",
    "FeastSettings",
    "KafkaSecurity",
    "LabelSettings",
    "RankingSettings",
    "Settings",
    "TrainingSettings",
    "WorkerSettings",
]


_JSON: TypeAdapter[object] = TypeAdapter(object)


class Section(BaseModel):
    """A frozen group of settings; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSecurity(Section):
    """How to reach a cluster that asks who we are. The default is a plain listener, as the local broker has."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ssl_ca_file: Path | None = Field(None, description="PEM of the authority that signed the brokers' certificates")
    ssl_cert_file: Path | None = Field(None, description="PEM of our own certificate, for mutual TLS")
    ssl_key_file: Path | None = Field(None, description="PEM of our own key, for mutual TLS")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password.get_secret_value()):
            raise ValueError(
                f"protocol {self.protocol} was set without a user and password; "
                "set FRESHRANK_SECURITY__SASL_USERNAME and FRESHRANK_SECURITY__SASL_PASSWORD"
            )
        return self


class CatalogueFields(Section):
    """Which fields of catalogue items become features. `category`, `brand`, `tags`, `price` or keys of `fields`."""

    affinity: tuple[str, ...] = Field(("category", "brand", "tags"), description="strings or lists a user can lean to")
    numbers: tuple[str, ...] = Field(("price",), description="numbers, used as they are and as missing or not")
    texts: tuple[str, ...] = Field(("title", "text"), description="texts whose words say what an item is like")
    vectors: dict[str, int] = Field({}, description="vectors by name with their width: `vector`, `image_vector`")

    @property
    def schema_(self) -> FeatureSchema:
        """The feature schema these fields give."""
        return FeatureSchema(
            affinity_fields=self.affinity,
            number_fields=self.numbers,
            text_fields=self.texts,
            vector_fields=tuple(self.vectors),
            vector_widths=tuple(self.vectors.values()),
        )


class WorkerSettings(Section):
    """The Faust worker: chunks, flushes, memory."""

    chunk_records: int = Field(1000, ge=1, description="records per chunk: bounds redelivery and latency")
    flush_interval_s: float = Field(0.2, gt=0, description="how often changed state is made durable, if not busy")
    backlog_flush_interval_s: float = Field(5.0, gt=0, description="the most of a busy worker, and in a backlog")
    commit_interval_s: float = Field(1.0, gt=0, description="how often acked offsets are committed to Kafka")
    session_timeout_s: float = Field(6.0, gt=0, description="a dead worker's partitions move after this")
    cached_users: int = Field(20_000, ge=100, description="users in memory, per process; the rest are on disk")
    max_ahead_s: int = Field(86_400, ge=0, description="event times further ahead of append time are rejected")
    allowed_lateness_s: float = Field(5.0, ge=0, description="watermark = latest event time less this")
    idle_watermark_s: float = Field(
        30.0, gt=0, description="a quiet partition's watermark follows the clock after this"
    )
    instance_id: str = Field("", description="static Kafka member id of a worker that restarts in place; empty: none")
    metrics_port: int = Field(
        0, ge=0, description="port of /metrics, /health and /status on 127.0.0.1; 0: any free one"
    )


class LabelSettings(Section):
    """Tasks and their windows. Among `tasks`, a name stands for the default task of that name, "defaults" for all."""

    tasks: tuple[Task, ...] = Field(DEFAULT_TASKS, description='as ["defaults", {"name": ..., "label": ...}]')
    window_overrides_s: dict[str, float] = Field({}, description="windows by task name, where not the task's own")
    open_slates_max: int = Field(
        200_000, ge=100, description="per partition; the oldest close early beyond it, counted"
    )

    @field_validator("tasks", mode="before")
    @classmethod
    def _named(cls, entries: object) -> object:
        return with_defaults(entries) if isinstance(entries, (list, tuple)) else entries

    @model_validator(mode="after")
    def _checked(self) -> Self:
        check_tasks(self.tasks, self.window_overrides_s)
        return self

    @property
    def windows_s(self) -> dict[str, float]:
        """Window of each task in seconds of event time after the slate was shown."""
        return {t.name: self.window_overrides_s.get(t.name, float(t.window_s)) for t in self.tasks}


class RankingSettings(Section):
    """What is ranked, when, and how scores become a list."""

    score_weights: dict[str, float] | None = Field(
        None, description="in place of the tasks' own score weights, all of them; a task left out adds nothing"
    )
    surfaces: tuple[str, ...] = Field(("home",), description="re-ranked for each active user; none: no list ever is")
    candidates: int = Field(200, ge=1, description="items scored when the candidates are our own")
    k: int = Field(20, ge=1, description="items in a list of our own candidates, unless the request names a k")
    rerank_interval_s: float = Field(1.0, ge=0, description="a user's surface is refreshed at most this often")
    rerank_max_delay_s: float = Field(
        5.0, gt=0, description="triggers this old, or so long past their turn, are shed, counted"
    )
    rerank_active_users: int = Field(200, ge=0, description="most recent users re-ranked when a new model comes")
    category_share_max: float = Field(0.5, gt=0, le=1, description="largest share of a list from one category")
    explore_frac: float = Field(0.05, ge=0, le=1, description="chance that a place of an own list tries the uncertain")
    threads: int = Field(1, ge=1, description="torch threads of the scorer")


class TrainingSettings(Section):
    """The trainer: buffer, rounds, gate."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    round_slates: int = Field(256, ge=1, description="a round starts when so many learnable slates are new")
    round_interval_s: float | None = Field(
        10.0, description="or this long after the last, if at least 32 are new; none: rows only"
    )
    judge_frac: float = Field(0.25, gt=0, lt=1, description="newest share of a round that only judges the challenger")
    replay_slates: int = Field(16, ge=0, description="older slates learned again in each step of 8 new ones")
    balancer: Literal["fixed", "uncertainty", "famo"] = Field(
        "fixed", description="how task losses count beside each other: declared weights alone, or moved by what is seen"
    )
    distillation_weight: float = Field(0.1, ge=0, description="of staying near the champion while learning; 0: none")
    dropped_group_frac: float = Field(
        0.05, ge=0, lt=1, description="chance that a slate is learned without a group of features, as if it were lost"
    )
    id_rows: int = Field(0, ge=0, multiple_of=2, description="rows of the table of item vectors by id; 0: no ids")
    attention_width: int = Field(0, ge=0, description="of attention over a user's last actions; 0: none")
    buffer_days: float = Field(14.0, gt=0, description="event time kept in the replay buffer")
    buffer_max_bytes: int = Field(4 << 30, ge=1 << 20, description="the oldest slates leave beyond this")
    keep_versions: int = Field(10, ge=2, description="published versions kept on disk")
    seed: int = 0
    threads: int = Field(1, ge=1, description="torch threads of the trainer")
    nice: int = Field(10, ge=0, le=19, description="the trainer yields to the worker on a shared machine")
    metrics_port: int = Field(
        0, ge=0, description="port of /metrics, /health and /status on 127.0.0.1; 0: any free one"
    )


class FeastSettings(Section):
    """The online store behind Feast."""

    online_store: Literal["rocksdict", "redis"] = "rocksdict"
    redis_connection_string: SecretStr = SecretStr("127.0.0.1:6379")
    history_interval_s: float = Field(300.0, gt=0, description="how often written rows land as a Parquet part")
    history_rows: int = Field(100_000, ge=1, description="or after so many rows")


class Settings(BaseSettings):
    """All settings of one deployment. Fields are documented where they stand."""

    model_config = SettingsConfigDict(
        env_prefix="FRESHRANK_",
        env_nested_delimiter="__",
        env_parse_none_str="null",
        frozen=True,
        extra="forbid",
        validate_default=True,
    )

    bootstrap_servers: str = "127.0.0.1:9092"
    data_dir: Path = Path(".freshrank")
    cache_dir: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "freshrank", description="what is fetched once: Kafka's jars"
    )
    topic_prefix: str = "freshrank."
    num_partitions: int = Field(
        12, ge=1, description="of every partitioned topic; cannot change later: users would move"
    )
    replication_factor: int = Field(1, ge=1)
    security: KafkaSecurity = KafkaSecurity()
    catalogue: CatalogueFields = CatalogueFields()
    worker: WorkerSettings = WorkerSettings()
    labels: LabelSettings = LabelSettings()
    ranking: RankingSettings = Field(default_factory=RankingSettings)
    training: TrainingSettings = TrainingSettings()
    feast: FeastSettings = FeastSettings()

    @property
    def score_weights(self) -> dict[str, float]:
        """By task; score = sum of weight x prediction (dwell: expected log seconds after a shown item)."""
        chosen = self.ranking.score_weights
        return {task.name: task.score_weight for task in self.labels.tasks} if chosen is None else chosen

    @property
    def worker_group(self) -> str:
        """Consumer group of the workers."""
        return f"{self.topic_prefix}worker"

    @property
    def trainer_group(self) -> str:
        """Consumer group of the trainer."""
        return f"{self.topic_prefix}trainer"

    def to_env(self) -> dict[str, str]:
        """The environment that gives a child process these settings, secrets included."""
        return _flatten("FRESHRANK_", self)

    def child_env(self) -> dict[str, str]:
        """Our environment with these settings in place of those it may hold, for a child process."""
        return {name: value for name, value in os.environ.items() if not name.startswith("FRESHRANK_")} | self.to_env()


def _flatten(prefix: str, section: BaseModel) -> dict[str, str]:
    env: dict[str, str] = {}
    for name in section.model_fields_set:
        key, value = f"{prefix}{name.upper()}", getattr(section, name)
        if isinstance(value, BaseModel):
            env |= _flatten(f"{key}__", value)
        elif isinstance(value, SecretStr):
            env[key] = value.get_secret_value()
        elif isinstance(value, (str, Path)):
            env[key] = str(value)
        else:
            env[key] = _JSON.dump_json(value).decode()
    return env
