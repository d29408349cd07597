from dataclasses import replace

import numpy as np
import pytest
import torch

from models.batch import Batch


def small(labels: dict[str, list[float]], num_slates: int = 2) -> Batch:
    num_rows = len(next(iter(labels.values())))
    return Batch.from_arrays(
        user_SU=np.zeros((num_slates, 1), np.float32),
        item_NI=np.zeros((num_rows, 2), np.float32),
        cross_NX=np.zeros((num_rows, 1), np.float32),
        slate_N=np.arange(num_rows) % num_slates,
        position_N=np.arange(num_rows),
        kind_N=np.zeros(num_rows, int),
        labels={task: np.array(values, np.float32) for task, values in labels.items()},
    )


def test_an_unknown_label_is_masked_and_not_zero() -> None:
    batch = small({"click": [1, np.nan, 0]})
    assert batch.mask["click"].tolist() == [True, False, True]
    assert batch.y["click"].tolist() == [1, 0, 0]
    assert batch.weight_N.tolist() == [1, 1, 1]
    assert batch.censored.tolist() == [False, False, False]


def test_joined_batches_keep_rows_in_order_and_renumber_slates() -> None:
    joined = Batch.concat([small({"click": [1, 0, 0]}), small({"click": [0, 1]}, num_slates=1)])
    assert (joined.num_rows, joined.num_slates) == (5, 3)
    assert joined.slate_N.tolist() == [0, 1, 0, 2, 2]
    assert joined.y["click"].tolist() == [1, 0, 0, 0, 1]


def test_joining_nothing_or_different_tasks_is_refused() -> None:
    with pytest.raises(ValueError, match="no batches"):
        Batch.concat([])
    with pytest.raises(ValueError, match="one task list"):
        Batch.concat([small({"click": [1]}), small({"cart": [1]})])


def test_a_part_with_another_number_of_rows_is_refused_by_name() -> None:
    batch = small({"click": [1, 0]})
    with pytest.raises(ValueError, match="position_N has 3 rows, item_NI 2"):
        replace(batch, position_N=torch.zeros(3, dtype=torch.int64))


def test_only_known_labels_and_weights_decide_whether_a_batch_is_finite() -> None:
    assert small({"click": [1, np.nan]}).has_finite_labels()
    assert not small({"click": [1, np.inf]}).has_finite_labels()
    batch = small({"click": [1, 0]})
    batch.weight_N[0] = torch.nan
    assert not batch.has_finite_labels()
    batch = small({"click": [1, 0]})
    batch.item_NI[0] = torch.nan  # a missing feature is no reason to skip the row
    assert batch.has_finite_labels()
