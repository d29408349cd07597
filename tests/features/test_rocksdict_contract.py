"""What we rely on in rocksdict: raw bytes, atomic batches, secondaries, the words of a held lock, sizes, old folders.

Each failure says what to look at.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from rocksdict import AccessType, Options, Rdict, WriteBatch

from streams.features.rocks_memory import RocksMemory
from streams.features.state_store import StateStore


def raw(path: Path) -> Rdict:
    return Rdict(str(path), Options(raw_mode=True))


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("rocksdict") == "0.3.29", (
        "run tests/features, tests/training and tests/recovery, open a state folder written by the old version, "
        "then pin the new version here"
    )


def test_a_batch_is_written_whole_and_read_back_in_order(tmp_path: Path) -> None:
    database = raw(tmp_path / "db")
    batch = WriteBatch(raw_mode=True)
    for key in (b"b", b"a\0", b"a", b"c"):
        batch.put(key, b"v" + key)
    batch.delete(b"c")
    size = len(batch)
    database.write(batch)
    found = list(database.items(from_key=b"a"))
    many = database[[b"a", b"none"]]
    database.close()

    assert (size, found) == (5, [(b"a", b"va"), (b"a\0", b"va\0"), (b"b", b"vb")]), (
        "batches or scans changed: look at StateStore (streams/features/state_store.py) and row_databases.py"
    )
    assert many == [b"va", None], "reading many keys changed: look at StateStore.get_many and `read_records`"


def test_a_held_lock_is_told_by_its_words(tmp_path: Path) -> None:
    """`open_database` waits for a lock, and fails at once for everything else."""
    code = (
        "import sys; from rocksdict import Options, Rdict; "
        "database = Rdict(sys.argv[1], Options(raw_mode=True)); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Exception, match="/LOCK: ") as error:
            raw(tmp_path / "db")
        holder.communicate("\n")

    assert "/LOCK: " in str(error.value), "look at `open_database` of streams/features/row_databases.py"


def test_a_secondary_follows_an_owner_that_goes_on(tmp_path: Path) -> None:
    owner = Rdict(str(tmp_path / "db"), RocksMemory().options())
    owner[b"k"] = b"1"
    reader = Rdict(
        str(tmp_path / "db"), RocksMemory().options(), access_type=AccessType.secondary(str(tmp_path / "aside"))
    )
    before = reader.get(b"k")
    owner[b"k"] = b"2"
    reader.try_catch_up_with_primary()
    after = reader.get(b"k")
    reader.close()
    owner.close()

    assert (before, after) == (b"1", b"2"), (
        "a secondary does not read the owner's log any more: look at streams/features/followed_rows.py and `copy_rows`"
    )


def test_a_killed_writer_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """The log of writes is in the page cache when `write` returns, and read at the next opening."""
    code = (
        "import os, sys; from pathlib import Path; from streams.features.state_store import StateStore; "
        "StateStore(Path(sys.argv[1])).write([(b'k', b'v')]); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "db")], check=False)
    store = StateStore(tmp_path / "db")
    found = store.get(b"k")
    store.close()

    assert (done.returncode, found) == (-9, b"v"), "look at the write options of streams/features/state_store.py"


def test_sizes_are_told_by_the_names_that_we_ask_for(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "db")
    store.write([(b"k", b"v" * 100_000)])
    size = store.num_bytes
    store.close()

    assert size > 100_000, "a property of RocksDB has another name: look at StateStore.num_bytes and BufferDatabase"
