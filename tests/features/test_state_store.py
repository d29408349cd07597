"""The store of a partition: atomic batches, scans by prefix, one owner."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import StateError
from streams.features.state_store import StateStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    """An empty store."""
    opened = StateStore(tmp_path / "partition-0")
    yield opened
    opened.close()


def test_a_batch_puts_and_deletes_in_its_order(store: StateStore) -> None:
    store.write([(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])
    store.write([(b"b", None), (b"a", None), (b"a", b"4"), (b"never", None)])
    assert [store.get(key) for key in (b"a", b"b", b"c", b"never")] == [b"4", None, b"3", None]


def test_many_keys_come_in_the_order_asked_for(store: StateStore) -> None:
    store.write([(b"a", b"1"), (b"b", b"")])
    assert store.get_many([b"b", b"x", b"a", b"a"]) == [b"", None, b"1", b"1"]
    assert store.get_many([]) == []


def test_a_scan_gives_keys_of_the_prefix_alone_in_order(store: StateStore) -> None:
    store.write([(b"u:b", b"2"), (b"u:a", b"1"), (b"t:z", b"0"), (b"v:", b"9"), (b"u:", b"3")])
    assert list(store.scan(b"u:")) == [(b"", b"3"), (b"a", b"1"), (b"b", b"2")]
    assert list(store.scan(b"x:")) == []
    assert len(list(store.scan(b""))) == 5


def test_what_was_written_is_there_when_opened_again_and_gone_when_cleared(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "partition-1"
    store = StateStore(folder)
    store.write([(b"k", b"\x00\xff")])
    store.close()

    store = StateStore(folder)
    found = [store.get(b"k")]
    store.clear()
    found.append(store.get(b"k"))
    store.write([(b"k", b"new")])
    found.append(store.get(b"k"))
    store.close()

    assert found == [b"\x00\xff", None, b"new"]


def test_a_folder_held_by_another_is_refused_with_what_to_do(store: StateStore, tmp_path: Path) -> None:
    folder = tmp_path / "partition-0"
    with pytest.raises(StateError, match=re.escape(str(folder)) + ".*one worker must hold it alone"):
        StateStore(folder)
