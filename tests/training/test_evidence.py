import numpy as np
import torch

from streams.training.comparison import compare
from streams.training.evidence import NUM_GROUPS, Evidence, JudgedRows, ListPairs, groups_of


def seen(seed: int, num_rows: int = 200) -> Evidence:
    rng = np.random.default_rng(seed)
    user_N, y_N = rng.integers(0, 30, num_rows), (rng.random(num_rows) < 0.3).astype(float)
    click = JudgedRows(y_N, rng.random(num_rows), rng.random(num_rows), user_N, kind_N=rng.integers(0, 3, num_rows))
    dwell = JudgedRows(rng.random(num_rows) * 5, rng.random(num_rows), rng.random(num_rows), user_N, is_binary=False)
    lists = ListPairs(rng.integers(0, 30, 20), rng.random(20), rng.random(20), rng.integers(1, 9, 20).astype(float))
    return Evidence.of({"click": click, "dwell": dwell}, {"gauc": lists})


def test_a_user_is_always_in_the_same_group() -> None:
    found = groups_of(["ann", "bob", "ann", "Ünïcode"])
    assert found[0] == found[2]
    assert groups_of(["ann"]).tolist() == [115]
    assert len(set(groups_of([f"u{k}" for k in range(5000)]).tolist())) == NUM_GROUPS


def test_losses_and_calibration_are_those_of_the_rows() -> None:
    y_N, before_N, after_N = np.array([1.0, 0, 0, 1]), np.array([0.5, 0.5, 0.5, 0.5]), np.array([0.8, 0.1, 0.2, 0.9])
    rows = JudgedRows(y_N, before_N, after_N, np.arange(4), kind_N=np.array([0, 0, 1, 1]))
    click = compare(Evidence.of({"click": rows}, {}), np.random.default_rng(0), 1.0).tasks["click"]
    assert (click.rows, click.positives, click.champion) == (4, 2, 1.0)
    expected = -(np.log(0.8) + np.log(0.9) + np.log(0.8) + np.log(0.9)) / 4 / np.log(2)
    assert np.isclose(click.challenger, expected)
    assert np.isclose(click.change, expected - 1)
    assert np.isclose(click.pcoc, 1.0)
    assert {kind: round(ratio, 6) for kind, ratio in click.pcoc_by_kind.items()} == {"product": 0.9, "coupon": 1.1}


def test_parts_joined_say_what_all_rows_at_once_say() -> None:
    joined = Evidence.joined([seen(1), seen(2), Evidence()])
    click = compare(joined, np.random.default_rng(0), 1.0).tasks["click"]
    assert click.rows == 400
    parts = [compare(seen(seed), np.random.default_rng(0), 1.0).tasks["click"] for seed in (1, 2)]
    assert click.positives == sum(part.positives for part in parts)


def test_what_is_saved_comes_back_and_decides_alike() -> None:
    kept = seen(3)
    tensors = {**kept.tensors("watch"), **seen(4).tensors("window.0"), "ranker.w": torch.zeros(1)}
    found = Evidence.from_tensors(tensors, "watch")
    one, other = (compare(evidence, np.random.default_rng(5), 1.64) for evidence in (kept, found))
    assert one == other
    assert Evidence.from_tensors(tensors, "nothing") == Evidence()
