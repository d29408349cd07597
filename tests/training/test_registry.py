from pathlib import Path

import pytest
import torch

from models.checkpoint import load
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import DEFAULT_TASKS, task_hash
from streams.errors import CheckpointError
from streams.training.registry import Champions, Registry, VersionError
from tests.training.taste_world import SCHEMA

HASHES = (SCHEMA.hash, task_hash(DEFAULT_TASKS))


def ranker(seed: int = 0) -> Ranker:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Ranker(RankerConfig(), SCHEMA, DEFAULT_TASKS)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models", keep=3)


def publish(registry: Registry, num: int) -> list[int]:
    return [registry.publish(ranker(seed), {"round": seed}) for seed in range(num)]


def test_a_published_version_is_the_champion_and_loads_as_it_was(registry: Registry) -> None:
    assert registry.champions() == Champions()
    assert publish(registry, 2) == [1, 2]
    assert registry.champions() == Champions(2, [1])
    loaded = load(registry.path(2), *HASHES)
    assert loaded.manifest["extra"] == {"round": 1}
    pairs = zip(loaded.ranker.state_dict().values(), ranker(1).state_dict().values(), strict=True)
    assert all(torch.equal(left, right) for left, right in pairs)


def test_versions_are_listed_newest_first_with_the_champion_marked(registry: Registry) -> None:
    publish(registry, 2)
    registry.promote(1, *HASHES)
    assert [(v.number, v.is_champion, v.manifest["extra"]) for v in registry.versions()] == [
        (2, False, {"round": 1}),
        (1, True, {"round": 0}),
    ]


def test_only_the_newest_versions_are_kept_besides_the_champion_and_the_one_before(registry: Registry) -> None:
    publish(registry, 4)
    registry.promote(2, *HASHES)
    assert registry.numbers() == [2, 3, 4]
    assert publish(registry, 1) == [5]
    assert registry.numbers() == [2, 3, 4, 5]
    publish(registry, 2)
    assert registry.numbers() == [5, 6, 7]


def test_rolling_back_twice_goes_two_champions_back(registry: Registry) -> None:
    publish(registry, 3)
    assert [registry.rollback(*HASHES), registry.rollback(*HASHES)] == [2, 1]
    assert registry.champions() == Champions(1, [])
    with pytest.raises(VersionError, match="no champion before version 1 is left"):
        registry.rollback(*HASHES)


def test_a_rollback_takes_a_promotion_back(registry: Registry) -> None:
    publish(registry, 3)
    registry.promote(1, *HASHES)
    registry.promote(1, *HASHES)
    assert registry.champions() == Champions(1, [3, 2, 1])
    assert registry.rollback(*HASHES) == 3
    assert registry.champions() == Champions(3, [2, 1])


def test_a_version_published_after_a_rollback_gets_a_new_number(registry: Registry) -> None:
    publish(registry, 3)
    registry.rollback(*HASHES)
    assert publish(registry, 1) == [4]


def test_a_damaged_version_is_refused_with_the_reason_and_the_champion_goes_on(registry: Registry) -> None:
    publish(registry, 2)
    weights = registry.path(1) / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="has sha256"):
        registry.promote(1, *HASHES)
    with pytest.raises(CheckpointError, match="has sha256"):
        registry.rollback(*HASHES)
    assert registry.champions() == Champions(2, [1])


def test_a_version_of_other_tasks_is_refused(registry: Registry) -> None:
    publish(registry, 1)
    with pytest.raises(CheckpointError, match=r"made for tasks .*, this code and these settings have other"):
        registry.promote(1, SCHEMA.hash, "other")


def test_a_version_that_is_not_there_is_named_with_those_that_are(registry: Registry) -> None:
    publish(registry, 2)
    with pytest.raises(VersionError, match=r"there is no version 7 in .*; versions kept: \[1, 2\]"):
        registry.promote(7, *HASHES)


def test_what_a_crash_left_half_written_is_no_version(registry: Registry) -> None:
    publish(registry, 1)
    (registry.folder / ".000002.abc").mkdir()
    (registry.folder / "champion.json.7.tmp").write_text('{"versi')
    assert (registry.numbers(), registry.champions().version) == ([1], 1)
    assert publish(registry, 1) == [2]
