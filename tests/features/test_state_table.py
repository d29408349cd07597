"""Objects over a store: whatever is put, deleted, drained and evicted in whichever order, reads see the latest."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.features.state_store import Record, StateStore
from streams.features.state_table import StateTable

KEYS = ("a", "ab", "b", "é")
PREFIX = b"t:"


def open_table(store: StateStore) -> StateTable[list[str]]:
    """Lists of words, changed in place."""
    return StateTable(store, PREFIX, lambda raw: raw.decode().split(), lambda held: " ".join(held).encode())


class TableAgainstDict(RuleBasedStateMachine):
    """`wanted` is what reads must find; `flushed` what a crash must bring back."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = StateStore(Path(self.folder.name) / "state")
        self.table = open_table(self.store)
        self.wanted: dict[str, list[str]] = {}
        self.flushed: dict[str, list[str]] = {}
        self.drained: list[Record] | None = None
        self.wanted_when_drained: dict[str, list[str]] = {}

    @rule(key=st.sampled_from(KEYS), word=st.sampled_from("xyz"))
    def put(self, key: str, word: str) -> None:
        self.table.put(key, [word])
        self.wanted[key] = [word]

    @rule(key=st.sampled_from(KEYS), word=st.sampled_from("xyz"))
    def change_in_place(self, key: str, word: str) -> None:
        held = self.table.get(key)
        assert held == self.wanted.get(key)
        if held is not None:
            held.append(word)
            self.table.put(key, held)
            self.wanted[key] = [*self.wanted[key], word]

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: str) -> None:
        self.table.delete(key)
        self.wanted.pop(key, None)

    @precondition(lambda self: self.drained is None)
    @rule()
    def drain(self) -> None:
        self.drained = self.table.drain()
        keys = [key for key, value in self.drained if value is not None]
        assert keys == sorted(keys)
        self.wanted_when_drained = {key: list(held) for key, held in self.wanted.items()}

    @precondition(lambda self: self.drained is not None)
    @rule(limit=st.integers(0, 3))
    def write(self, limit: int) -> None:
        self.store.write(self.drained or [])
        self.table.written()
        self.table.evict(limit)
        self.drained, self.flushed = None, self.wanted_when_drained

    @rule()
    def crash(self) -> None:
        self.table, self.drained = open_table(self.store), None
        self.wanted = {key: list(held) for key, held in self.flushed.items()}

    @invariant()
    def memory_holds_nothing_that_was_deleted(self) -> None:
        # `get` would load what was evicted; this only looks.
        in_memory = {key for key in KEYS if self.table.holds(key)}
        assert {key for key in in_memory if key.startswith("a")} == set(self.table.held_keys("a"))
        assert in_memory <= set(self.wanted)

    @rule()
    def read_everything(self) -> None:
        assert {key: self.table.get(key) for key in KEYS} == {key: self.wanted.get(key) for key in KEYS}

    @invariant()
    def disk_is_as_of_the_last_flush(self) -> None:
        found = {key.decode(): raw.decode().split() for key, raw in self.store.scan(PREFIX)}
        assert found == self.flushed

    def teardown(self) -> None:
        self.read_everything()
        self.store.close()
        self.folder.cleanup()


TestTableAgainstDict = TableAgainstDict.TestCase
TestTableAgainstDict.settings = settings(max_examples=40, stateful_step_count=30)


def test_the_longest_unused_clean_objects_leave_first_and_changed_ones_stay(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state")
    table = open_table(store)
    for key in ("a", "b", "c", "d"):
        table.put(key, [key])
    store.write(table.drain())
    table.written()
    table.get("a")
    table.put("b", ["changed"])
    table.evict(2)
    held = [key for key in ("a", "b", "c", "d") if table.holds(key)]
    table.evict(0)
    left = [key for key in ("a", "b", "c", "d") if table.holds(key)]
    records = table.drain()
    store.close()

    assert (held, left) == (["a", "b"], ["b"])
    assert records == [(b"t:b", b"changed")]
