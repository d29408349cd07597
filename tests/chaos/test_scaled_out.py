"""Two hosts as docker-compose has them: own folders, Redis through Feast, shared models, one trainer, one group."""

import shutil
from pathlib import Path

import pytest

from tests.chaos.plan import Step
from tests.chaos.run import run
from tests.chaos.site import NUM_PARTITIONS, Layout
from tests.recovery.role_nursery import RoleNursery

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
async def test_two_workers_on_hosts_of_their_own_come_to_what_one_worker_alone_comes_to(
    tmp_path: Path, nursery: RoleNursery
) -> None:
    """The second host joins under load: partitions move to it with their state, by the changelog alone."""
    plan = [Step(2.0, "add_worker", 0.0, 0.0)]
    report = await run(nursery, tmp_path, Layout(is_spread=True, num_workers=1), plan, seed=5, say=print, calm_s=6.0)

    assert report.wrong[:5] == []
    assert report.done == {"add_worker": 1}
    assert {name: len(partitions) for name, partitions in report.shares.items()} == {
        "worker-0": NUM_PARTITIONS // 2,
        "worker-1": NUM_PARTITIONS // 2,
    }
    assert report.num_events > 300
