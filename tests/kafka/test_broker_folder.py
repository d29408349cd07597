"""Whose folder it is: ours and whole, or refused before Kafka can touch it."""

import json
from pathlib import Path

import pytest

from streams.errors import BrokerStartError
from streams.kafka.broker_folder import BrokerFolder, write_user


def format_log(cluster_id: str, folder: Path) -> None:
    """What Kafka's tool leaves, as far as it matters here."""
    (folder / "meta.properties").write_text(
        f"# made\nnode.id=1\ndirectory.id=abc\nversion=1\ncluster.id={cluster_id}\n"
    )


def no_format(cluster_id: str, folder: Path) -> None:
    raise AssertionError(f"formatted {folder} again as {cluster_id}")


@pytest.fixture
def folder(tmp_path: Path) -> BrokerFolder:
    """A folder that was used before."""
    made = BrokerFolder(tmp_path / "kafka")
    with made.only_user():
        made.prepare(format_log)
    return made


def test_a_folder_is_formatted_once(folder: BrokerFolder) -> None:
    folder.prepare(no_format)
    identity = json.loads((folder.log_folder / "freshrank.json").read_text())
    assert f"cluster.id={identity['cluster_id']}\n" in (folder.log_folder / "meta.properties").read_text()


def test_two_folders_are_two_clusters(folder: BrokerFolder, tmp_path: Path) -> None:
    other = BrokerFolder(tmp_path / "other")
    with other.only_user():
        other.prepare(format_log)
    assert (other.log_folder / "freshrank.json").read_text() != (folder.log_folder / "freshrank.json").read_text()


def test_formatting_that_was_killed_is_done_again(tmp_path: Path) -> None:
    folder = BrokerFolder(tmp_path)
    with folder.only_user():
        (tmp_path / "log.new" / "half").mkdir(parents=True)
        folder.prepare(format_log)
    assert sorted(p.name for p in folder.log_folder.iterdir()) == ["freshrank.json", "meta.properties"]


def test_a_folder_with_files_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    folder = BrokerFolder(tmp_path)
    with folder.only_user(), pytest.raises(BrokerStartError, match=r"something else \(first: thesis\.txt\)"):
        folder.prepare(no_format)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_data_that_another_program_made_is_refused(folder: BrokerFolder) -> None:
    (folder.log_folder / "freshrank.json").unlink()
    with pytest.raises(BrokerStartError, match="was not made by freshrank"):
        folder.prepare(no_format)


def test_data_of_another_cluster_in_our_folder_is_refused_because_kafka_would_start_on_it(
    folder: BrokerFolder,
) -> None:
    format_log("of-somebody-else", folder.log_folder)
    with pytest.raises(BrokerStartError, match=r"of-somebody-else.*was made with.*restore it from a copy, or delete"):
        folder.prepare(no_format)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("meta.properties", None),
        ("meta.properties", b""),
        ("meta.properties", b"\xff\xfe\x00"),
        ("freshrank.json", b""),
        ("freshrank.json", b"[]"),
        ("freshrank.json", b'{"cluster_id": "a"'),
    ],
)
def test_a_torn_or_missing_file_of_the_identity_is_damage_that_is_named(
    folder: BrokerFolder, file: str, content: bytes | None
) -> None:
    path = folder.log_folder / file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BrokerStartError, match=rf"is damaged: {file}"):
        folder.prepare(no_format)


def test_a_second_user_of_the_folder_is_told_who_the_first_is(folder: BrokerFolder) -> None:
    with folder.only_user() as descriptor:
        write_user(descriptor, 4711)
        with (
            pytest.raises(BrokerStartError, match=r"in use by another broker \(process 4711\)"),
            BrokerFolder(folder.path).only_user(lock_wait_s=0.1),
        ):
            pass


def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(BrokerStartError, match=r"cannot be written.*--data-dir"),
        BrokerFolder(tmp_path / "file" / "kafka").only_user(),
    ):
        pass
