"""A whole run on a Kafka with SCRAM over TLS and a Redis with a password over TLS; no secret is written anywhere."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis

from streams.clients.event_producer import EventProducer
from streams.clients.rankings_consumer import RankingsConsumer
from streams.settings import Settings
from tests.recovery.forgotten_shopper import minutes_ago, visit
from tests.recovery.guarded import KAFKA_PASSWORD, REDIS_PASSWORD, Authority, guarded_kafka, guarded_redis
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, end_windows, prepare, with_settings
from tests.recovery.straight_run import rows_in_feast
from tests.unpickling import WATCHED

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
SECRETS = (KAFKA_PASSWORD, REDIS_PASSWORD)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder)
    with (
        guarded_kafka(folder / "kafka", authority) as (address, security),
        guarded_redis(folder, authority) as feast,
    ):
        settings = Settings(bootstrap_servers=address, security=security, feast=feast, data_dir=folder / "run")
        yield with_settings(settings, 2)


def freshrank(settings: Settings, *args: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *args],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={**settings.child_env(), **(env or {})},
    )  # fmt: skip


def watched(folder: Path) -> dict[str, str]:
    """An environment in which every Python process refuses to look up what a pickle names."""
    (folder / "sitecustomize.py").write_text(WATCHED)
    return {"PYTHONPATH": str(folder)}


def files_with_a_secret(folder: Path) -> list[str]:
    """Of a run; JSON and shells write some characters of a password otherwise."""
    escaped = [json.dumps(secret)[1:-1] for secret in SECRETS]
    forms = {form.encode() for form in (*SECRETS, *escaped, *(text.replace("$", "\\u0024") for text in escaped))}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path.relative_to(folder)) for path in files if any(form in path.read_bytes() for form in forms)]


async def test_roles_clients_and_commands_work_and_write_no_secret_and_nothing_is_unpickled(
    guarded: Settings, tmp_path: Path
) -> None:
    env = watched(tmp_path)
    await prepare(guarded)
    events = visit("ann", 0, minutes_ago(2))
    with (
        Role("worker", guarded, env=env) as worker,
        Role("trainer", guarded, env=env) as trainer,
        RankingsConsumer(settings=guarded) as rankings,
    ):
        with EventProducer(settings=guarded) as site:
            for event in events:
                site.send(event)
            assert site.flush()
        answers = [ranking.slate_id for _ in range(20) for ranking in rankings.poll(500)]
        await end_windows(guarded, events)
        await drained(worker, trainer)
        rows = rows_in_feast(guarded, ["ann"], ["i2"])
        lag, asked, forgotten = (
            freshrank(guarded, *command, "--json", env=env)
            for command in (("lag",), ("rank", "ann"), ("forget", "ann"))
        )
        after = rows_in_feast(guarded, ["ann"], ["i2"])

    assert "ann-list-0" in answers
    assert rows == ({"ann": [5, 1, 1, 1, 0, 4_000]}, {"i2": [1, 1, 1, 1, 0, 4_000]})
    assert (json.loads(lag.stdout)["total_lag"], json.loads(asked.stdout)["user_id"]) == (0, "ann")
    assert json.loads(forgotten.stdout)["is_complete"] is True
    assert after == ({"ann": [None] * 6}, {"i2": [1, 1, 1, 1, 0, 4_000]})
    # Feast reads its password from its own file, which only our user can read.
    assert files_with_a_secret(guarded.data_dir) == ["feature_repo/feature_store.yaml"]
    assert (guarded.data_dir / "feature_repo" / "feature_store.yaml").stat().st_mode & 0o077 == 0
    assert "unpickled" not in worker.log + trainer.log
    said = "".join(done.stdout + done.stderr for done in (lag, asked, forgotten))
    assert not any(secret in said for secret in SECRETS)


def with_wrong_kafka_password(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"security": settings.security.model_copy(update={"sasl_password": SecretStr("wr0ng-one")})}
    )


def test_a_wrong_password_ends_a_command_with_a_hint_and_is_not_shown(guarded: Settings) -> None:
    done = freshrank(with_wrong_kafka_password(guarded), "lag")
    assert done.returncode == 1
    assert "user 'shop'; a refused user, password or certificate looks the same as no broker" in done.stderr
    assert "wr0ng-one" not in done.stdout + done.stderr


def test_an_authority_that_did_not_sign_is_refused(guarded: Settings, tmp_path: Path) -> None:
    other = guarded.security.model_copy(update={"ssl_ca_file": Authority(tmp_path).ca_file})
    done = freshrank(guarded.model_copy(update={"security": other}), "lag")
    assert done.returncode == 1
    assert "password or certificate" in done.stderr


async def test_a_worker_whose_redis_refuses_it_ends_and_says_so_without_the_password(
    guarded: Settings, nursery: RoleNursery, tmp_path: Path
) -> None:
    text = guarded.feast.redis_connection_string.get_secret_value().replace(REDIS_PASSWORD, "wr0ng-two")
    feast = guarded.feast.model_copy(update={"redis_connection_string": SecretStr(text)})
    settings = guarded.model_copy(update={"feast": feast, "data_dir": tmp_path / "run", "topic_prefix": "wrong."})
    await prepare(settings)
    worker = Role("worker", settings, nursery)
    worker.launch()
    assert worker.ended() != 0
    assert "wr0ng-two" not in worker.log
    assert "password" in worker.log.lower()


def test_redis_without_tls_or_password_is_no_way_in(guarded: Settings) -> None:
    from redis.exceptions import AuthenticationError
    from redis.exceptions import ConnectionError as NoRedis

    text = guarded.feast.redis_connection_string.get_secret_value()
    port = int(text.split(",")[0].split(":")[1])
    ca_file = text.split("ssl_ca_certs=")[1].split(",")[0]
    with pytest.raises(NoRedis):
        Redis("127.0.0.1", port, password=REDIS_PASSWORD).ping()
    with pytest.raises(AuthenticationError):
        Redis("127.0.0.1", port, ssl=True, ssl_ca_certs=ca_file).ping()
