from pathlib import Path

import torch

from streams.training.trainer_state import Progress, load_state, save_state

HASHES = ("features", "tasks")


def progress(num_rounds: int, tasks: str = "tasks") -> Progress:
    return Progress(num_rounds * 10, num_rounds, "features", tasks)


def save(folder: Path, num_rounds: int, tasks: str = "tasks") -> None:
    save_state(folder, {"w": torch.full((3,), float(num_rounds))}, progress(num_rounds, tasks))


def loaded(folder: Path) -> tuple[list[float], Progress] | None:
    found = load_state(folder, *HASHES)
    return None if found is None else (found[0]["w"].tolist(), found[1])


def test_nothing_saved_is_no_state(tmp_path: Path) -> None:
    assert loaded(tmp_path / "trainer") is None


def test_the_newest_state_comes_back_and_only_the_one_before_is_kept(tmp_path: Path) -> None:
    for number in range(1, 6):
        save(tmp_path, number)
    assert loaded(tmp_path) == ([5.0] * 3, progress(5))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["00000004", "00000005"]


def test_a_torn_state_gives_way_to_the_one_before_and_the_round_is_written_again(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    weights = tmp_path / "00000002" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    assert loaded(tmp_path) == ([1.0] * 3, progress(1))
    save(tmp_path, 2)
    assert loaded(tmp_path) == ([2.0] * 3, progress(2))


def test_a_state_of_other_tasks_is_not_taken_and_does_not_hide_what_follows(tmp_path: Path) -> None:
    for number in (57, 58):
        save(tmp_path, number, tasks="old tasks")
    assert loaded(tmp_path) is None
    save(tmp_path, 1)
    assert loaded(tmp_path) == ([1.0] * 3, progress(1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["00000001"]


def test_what_a_kill_left_half_written_is_ignored(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / ".00000002.xyz").mkdir()
    assert loaded(tmp_path) == ([1.0] * 3, progress(1))
