"""Users and slates in memory stay within `cached_users` after every flush, however many there are on disk."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from streams.features.state_store import META_KEY, StateStore
from streams.worker.partition import Partition
from tests.worker.event_log import records, shop_log

NUM_USERS, CHUNK = 300, 50


@pytest.mark.parametrize("cached_users", [0, 7, 40])
def test_memory_holds_no_more_users_and_slates_than_allowed_and_the_disk_holds_all(
    open_engine: Callable[[Path], tuple[Partition, StateStore]], tmp_path: Path, cached_users: int
) -> None:
    engine, store = open_engine(tmp_path / "state")
    log = records(shop_log(num_slates=600, num_users=NUM_USERS))
    most_users = most_slates = 0
    for start in range(0, len(log), CHUNK):
        engine.process(log[start : start + CHUNK])
        drained = engine.state.drain()
        store.write([*drained.records, (META_KEY, msgspec.json.encode(drained.meta))])
        engine.state.written(cached_users)
        most_users = max(most_users, len(engine.state.users.held_keys("")))
        most_slates = max(most_slates, len(engine.state.slates.held_keys("")))
    # Far more were seen than are held, so the limit was reached; and not passed.
    assert (most_users, most_slates) == (cached_users, cached_users)
    assert len(set(engine.state.all_users())) > 5 * cached_users
    store.close()
