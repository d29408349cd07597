"""Fixtures of all tests: a manual clock, settings of one's own, and one real Kafka for the whole run."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Never

import hypothesis  # imported late, deep in the run, it hits a CPython 3.11 bug in ast.parse
import pytest

from streams.clock import ManualClock
from streams.kafka.local_broker import LocalBroker
from streams.settings import Settings
from tests.recovery.role_nursery import RoleNursery

GIVEN_BROKER = os.environ.get("FRESHRANK_TEST_BOOTSTRAP_SERVERS")
_broker_of_run: pytest.StashKey[LocalBroker] = pytest.StashKey()

# Properties say what is right, not how fast: what is compiled at first use takes a second.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@dataclass(frozen=True)
class GivenBroker:
    """A broker that somebody else runs: it can be used, but not broken."""

    bootstrap_servers: str

    def __getattr__(self, name: str) -> Never:
        if name.startswith("__"):
            raise AttributeError(name)
        pytest.skip(f"needs a broker of our own to {name}; unset FRESHRANK_TEST_BOOTSTRAP_SERVERS")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[LocalBroker | GivenBroker]:
    """One real broker for the run, on free ports; it has `kill`, `pause`, `resume` and `restart`.

    A test that breaks it leaves it running. Give FRESHRANK_TEST_BOOTSTRAP_SERVERS to use a broker that already runs.
    """
    if GIVEN_BROKER:
        yield GivenBroker(GIVEN_BROKER)
        return
    with LocalBroker(tmp_path_factory.mktemp("kafka"), cache_dir=Settings().cache_dir) as broker:
        pytestconfig.stash[_broker_of_run] = broker
        yield broker


@pytest.fixture(scope="session")
def nursery() -> Iterator[RoleNursery]:
    """Where the tests of the run get their roles from, without imports anew for each."""
    with RoleNursery() as nursery:
        yield nursery


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that share no topic, group or folder with another test; few partitions, to be quick.

    A test that also uses `kafka` gets its address; otherwise nothing answers at `bootstrap_servers`.
    """
    wants_kafka = "kafka" in request.fixturenames
    address = request.getfixturevalue("kafka").bootstrap_servers if wants_kafka else "127.0.0.1:1"
    return Settings(
        bootstrap_servers=address,
        data_dir=tmp_path / "data",
        topic_prefix=f"t{uuid.uuid4().hex[:10]}.",
        num_partitions=3,
    )


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves only when told to."""
    return ManualClock()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Attach the broker's last lines to a failing test that used it."""
    report = yield
    broker = item.config.stash.get(_broker_of_run, None)
    if report.failed and broker and "kafka" in getattr(item, "fixturenames", ()):
        report.sections.append(("broker log", "\n".join(broker.recent_log().splitlines()[-40:])))
    return report
