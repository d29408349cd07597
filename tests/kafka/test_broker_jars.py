"""The jar cache: verified at every use, refilled when damaged, clear when it cannot be."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Never

import pytest

from streams.errors import BrokerStartError
from streams.kafka.broker_jars import KAFKA_VERSION, Fetch, kafka_jars, pinned_hashes
from streams.settings import Settings


@pytest.fixture(scope="session")
def whole() -> Path:
    """The folder with the real jars; the first test run on a machine fetches them."""
    return kafka_jars(Settings().cache_dir)[0].parent


@pytest.fixture
def cache_dir(whole: Path, tmp_path: Path) -> Path:
    """A cache of one's own, filled."""
    shutil.copytree(whole, tmp_path / "cache" / whole.name)
    return tmp_path / "cache"


def fetch_from(whole: Path) -> Fetch:
    def fetch(folder: Path) -> Mapping[str, Path]:
        return {jar.name: Path(shutil.copy(jar, folder)) for jar in whole.glob("*.jar")}

    return fetch


def no_fetch(_: Path) -> Never:
    raise AssertionError("fetched although the cache was whole")


def no_network(_: Path) -> Never:
    raise ConnectionError("Name or service not known")


def test_a_whole_cache_is_used_as_it_is(cache_dir: Path) -> None:
    jars = kafka_jars(cache_dir, no_fetch)
    assert [jar.name for jar in jars] == sorted(pinned_hashes())
    assert all(jar.is_file() for jar in jars)


def test_an_empty_cache_is_filled_and_nothing_else_is_left_in_it(whole: Path, tmp_path: Path) -> None:
    jars = kafka_jars(tmp_path / "cache", fetch_from(whole))
    assert [jar.read_bytes() for jar in jars] == [(whole / jar.name).read_bytes() for jar in jars]
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == [".fetching", f"kafka-{KAFKA_VERSION}"]


@pytest.mark.parametrize("damage", ["cut off", "one byte changed", "removed"])
def test_a_damaged_jar_is_fetched_again(whole: Path, cache_dir: Path, damage: str) -> None:
    jar = cache_dir / whole.name / f"kafka-clients-{KAFKA_VERSION}.jar"
    good = jar.read_bytes()
    jar.unlink()
    if damage != "removed":
        jar.write_bytes(good[:-1] if damage == "cut off" else bytes([good[0] ^ 1]) + good[1:])
    assert jar in kafka_jars(cache_dir, fetch_from(whole))
    assert jar.read_bytes() == good


def test_without_a_network_the_error_says_what_is_missing_and_how_to_get_it(cache_dir: Path, whole: Path) -> None:
    (cache_dir / whole.name / "re2j-1.8.jar").unlink()
    with pytest.raises(
        BrokerStartError, match=r"1 of 44 jars .* \(first: re2j-1\.8\.jar\).*ConnectionError.*`make setup`"
    ):
        kafka_jars(cache_dir, no_network)


def test_a_download_that_differs_from_its_pin_is_refused_and_never_enters_the_cache(
    whole: Path, tmp_path: Path
) -> None:
    def altered(folder: Path) -> Mapping[str, Path]:
        jars = dict(fetch_from(whole)(folder))
        jars["snakeyaml-2.5.jar"].write_bytes(b"something else")
        return jars

    with pytest.raises(BrokerStartError, match=r"snakeyaml-2\.5\.jar .*needed: sha256 e6682acf"):
        kafka_jars(tmp_path, altered)
    assert not (tmp_path / whole.name / "snakeyaml-2.5.jar").exists()


def test_a_jar_that_the_resolver_did_not_bring_is_refused(whole: Path, tmp_path: Path) -> None:
    def incomplete(folder: Path) -> Mapping[str, Path]:
        return {name: path for name, path in fetch_from(whole)(folder).items() if name != "re2j-1.8.jar"}

    with pytest.raises(BrokerStartError, match=r"re2j-1\.8\.jar .* was fetched with nothing"):
        kafka_jars(tmp_path, incomplete)


def test_a_cache_folder_that_cannot_be_written_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerStartError, match="FRESHRANK_CACHE_DIR"):
        kafka_jars(tmp_path / "file" / "cache", no_network)
