"""Settings: through the environment and back, and what is refused."""

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from models.tasks import DEFAULT_TASKS, LabelRule, Task
from streams.settings import (
    CatalogueFields,
    FeastSettings,
    KafkaSecurity,
    LabelSettings,
    RankingSettings,
    Settings,
    TrainingSettings,
    WorkerSettings,
)

SOLE_TASK = Task(name="click", label=LabelRule(on=("click",)), window_s=9, loss_weight=1.0, score_weight=0.5)
LONG_DWELL = Task(name="long_dwell", given="click", label=LabelRule(on=("dwell",), at_least_s=30.0), window_s=1800)
CASES = (
    Settings(),
    Settings(bootstrap_servers="a:1,b:2", data_dir=Path("/x y/d"), topic_prefix="", num_partitions=3),
    Settings(
        security=KafkaSecurity(
            protocol="SASL_SSL", sasl_username="me", sasl_password=SecretStr('p"ä$#{'), ssl_ca_file=Path("/ca.pem")
        )
    ),
    Settings(security=KafkaSecurity(ssl_ca_file=None)),
    Settings(catalogue=CatalogueFields(affinity=(), numbers=("price", "größe"))),
    Settings(worker=WorkerSettings(chunk_records=7, allowed_lateness_s=0.5, instance_id="w-1")),
    Settings(labels=LabelSettings(tasks=(SOLE_TASK,), window_overrides_s={"click": 1.5})),
    Settings(labels=LabelSettings(window_overrides_s={})),
    Settings(labels=LabelSettings(tasks=(*DEFAULT_TASKS, LONG_DWELL))),
    Settings(ranking=RankingSettings(score_weights={"click": 2.0, "dwell": -0.25}, surfaces=("home", "a,b"), k=5)),
    Settings(training=TrainingSettings(device="cpu", round_interval_s=None, seed=4)),
    Settings(feast=FeastSettings(online_store="redis", redis_connection_string=SecretStr("r:6379,password=x"))),
)
# Reads a list of environments, and says what the settings are in each.
CHILD = """
import json, os, sys
from streams.settings import Settings
found = []
for env in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(env)
    settings = Settings()
    secrets = [settings.security.sasl_password, settings.feast.redis_connection_string]
    shown = [settings.model_dump(mode="json"), [secret.get_secret_value() for secret in secrets], settings.to_env()]
    found.append(shown)
json.dump(found, sys.stdout)
"""


def described(settings: Settings) -> list[Any]:
    """Everything a settings object says, secrets included, as the child describes it."""
    secrets = [settings.security.sasl_password, settings.feast.redis_connection_string]
    return [settings.model_dump(mode="json"), [secret.get_secret_value() for secret in secrets], settings.to_env()]


def test_a_child_process_gets_the_same_settings() -> None:
    """Every section; None, tuples, dicts, secrets, empty ones too."""
    home = {"HOME": str(Path.home())}
    told = json.dumps([home | settings.to_env() for settings in CASES])
    done = subprocess.run([sys.executable, "-c", CHILD], input=told, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(json.dumps([described(settings) for settings in CASES]))


def test_only_what_was_set_is_passed_on() -> None:
    settings = Settings(num_partitions=3, worker=WorkerSettings(chunk_records=7))
    assert settings.to_env() == {"FRESHRANK_NUM_PARTITIONS": "3", "FRESHRANK_WORKER__CHUNK_RECORDS": "7"}
    replaced = settings.model_copy(update={"topic_prefix": "p."})
    assert replaced.to_env() == settings.to_env() | {"FRESHRANK_TOPIC_PREFIX": "p."}


def test_secrets_are_not_shown() -> None:
    assert "hunter2" not in repr(Settings(feast=FeastSettings(redis_connection_string=SecretStr("hunter2"))))


@pytest.mark.parametrize(
    "section",
    [Settings, KafkaSecurity, CatalogueFields, WorkerSettings, LabelSettings, RankingSettings, TrainingSettings,
     FeastSettings],
)  # fmt: skip
def test_unknown_keys_are_refused_in_every_section(section: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match="chunk_recordz"):
        section.model_validate({"chunk_recordz": 1})


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        (Settings, "num_partitions", 0),
        (WorkerSettings, "flush_interval_s", 0),
        (WorkerSettings, "max_ahead_s", -1),
        (RankingSettings, "explore_frac", 1.5),
        (RankingSettings, "category_share_max", 0),
        (TrainingSettings, "judge_frac", 1.0),
        (TrainingSettings, "device", "tpu"),
        (TrainingSettings, "id_rows", 1),
        (LabelSettings, "window_overrides_s", {"clik": 10.0}),
        (FeastSettings, "online_store", "sqlite"),
        (KafkaSecurity, "protocol", "SASL_SSL"),
    ],
)
def test_impossible_values_are_refused(section: type[BaseModel], field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        section.model_validate({field: value})


def test_settings_never_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.num_partitions = 5  # type: ignore[misc]


def test_windows_are_the_tasks_own_unless_overridden() -> None:
    windows_s = LabelSettings(window_overrides_s={"click": 10.0}).windows_s
    assert windows_s == {
        "click": 10.0, "dwell": 1800.0, "cart": 7200.0, "order": 604_800.0, "order_cancelled": 604_800.0,
        "dislike": 86_400.0, "quick_back": 300.0,
    }  # fmt: skip


def test_a_task_is_added_by_one_declaration_beside_the_defaults() -> None:
    written: Any = ["defaults", {"name": "long_dwell", "given": "click", "window_s": 1800,
                                 "label": {"on": ["dwell"], "at_least_s": 30}}]  # fmt: skip
    assert LabelSettings(tasks=written).tasks == (*DEFAULT_TASKS, LONG_DWELL)
    assert LabelSettings(tasks=["click", written[1]]).tasks == (DEFAULT_TASKS[0], LONG_DWELL)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"name": "x", "window_s": 9, "label": {"on": ["share"]}}, "types among view, click"),
        ({"name": "x", "window_s": 9, "label": {"on": ["view"], "at_leest_s": 3}}, "at_leest_s"),
        ({"name": "x", "window_s": 9, "label": {"on": ["view"]}, "weight": 3}, "weight"),
        ({"name": "x", "window_s": 9, "label": {"on": ["view"]}, "given": "x"}, "break the circle"),
        ("clik", "no default task is named 'clik'"),
    ],
)
def test_a_task_that_cannot_be_meant_is_refused(extra: object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        LabelSettings.model_validate({"tasks": ["defaults", extra]})


def test_score_weights_are_the_tasks_own_unless_replaced() -> None:
    cheap = dataclasses.replace(SOLE_TASK, score_weight=0.25)
    own = Settings(labels=LabelSettings(tasks=(cheap,)))
    replaced = own.model_copy(update={"ranking": RankingSettings(score_weights={"click": 3.0})})
    assert (own.score_weights, replaced.score_weights) == ({"click": 0.25}, {"click": 3.0})
    assert Settings().score_weights == {task.name: task.score_weight for task in DEFAULT_TASKS}


def test_groups_carry_the_prefix() -> None:
    settings = Settings(topic_prefix="shop.")
    assert (settings.worker_group, settings.trainer_group) == ("shop.worker", "shop.trainer")


def test_declared_fields_make_the_schema() -> None:
    schema = CatalogueFields(affinity=("maker",), numbers=("price", "size")).schema_
    assert (schema.affinity_fields, schema.number_fields) == (("maker",), ("price", "size"))


def _fields(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, object]]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{path}{name}.")
        else:
            yield f"{path}{name}", kind


def test_what_may_hold_a_secret_has_the_type_that_hides_it() -> None:
    may_hold = re.compile(r"password|secret|token|credential|connection_string")
    found = {name: kind for name, kind in _fields(Settings) if may_hold.search(name)}
    assert found == {"security.sasl_password": SecretStr, "feast.redis_connection_string": SecretStr}


def test_settings_show_no_secret_however_they_are_printed() -> None:
    settings = Settings(
        security=KafkaSecurity(protocol="SASL_SSL", sasl_username="me", sasl_password=SecretStr("s3cret")),
        feast=FeastSettings(redis_connection_string=SecretStr("r:6379,password=s3cret")),
    )
    shown = [
        repr(settings),
        str(settings),
        f"{settings.security}",
        settings.model_dump_json(),
        str(settings.model_dump()),
    ]
    assert not any("s3cret" in text for text in shown)
