"""From an example to the list that was scored with what it taught, by hand-made moments."""

from benchmarks.model_waits import ModelWaits, Round, model_waits


def test_an_example_waits_for_its_round_for_a_published_model_and_for_a_list() -> None:
    rounds = [Round(1000, 1), Round(5000, None), Round(9000, 2)]
    found = model_waits([700, 900, 8000, 9500], rounds, {1: 2000, 2: 9800}, [(2500, 1), (2400, 1), (9900, 2)])
    # 900 is too fresh for the first round, and the gate refused the second; 9,500 came after the last.
    assert found == ModelWaits(
        round_ms=[300, 4100, 1000], announced_ms=[1300, 8900, 1800], served_ms=[1700, 9000, 1900], num_not_served=1
    )


def test_a_model_that_scored_no_list_served_nobody() -> None:
    assert model_waits([100], [Round(1000, 1)], {1: 1200}, [(1100, 0)]).num_not_served == 1
