"""What was seen of two models on the same rows, as sums by group of users: adds up over rounds, and fits into a state.

A user always falls into the same of `NUM_GROUPS` groups, and groups are drawn in place of users: as users of one group
are kept together, the bootstrap stays honest, and the size does not grow with the site. It decides nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["COLUMNS", "KINDS", "LIST_COLUMNS", "NUM_GROUPS", "Evidence", "JudgedRows", "ListPairs", "groups_of"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
NUM_GROUPS = 256
CLIP = 1e-7
# By the codes of models.batch.Batch.kind_N.
KINDS = ("product", "coupon", "ad")
_OF_KIND = ("rows", "y", "p_champion", "p_challenger", "loss_champion", "loss_challenger")
# Sums of one task: over all rows, then by kind.
COLUMNS = ("positives", "y_squared", *(f"{c}_{k}" for k in KINDS for c in _OF_KIND))
# Sums of one figure of lists; `champion` and `challenger` are weighted.
LIST_COLUMNS = ("lists", "weight", "champion", "challenger")


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Labels and predictions of one task on the same rows.

    `user_N`: group of each row's user. `kind_N`: None: all are products. `is_binary`: probabilities against 0 or 1;
    otherwise log seconds against log seconds.
    """

    y_N: Float64
    champion_N: Float64
    challenger_N: Float64
    user_N: Int64
    is_binary: bool = True
    kind_N: Int64 | None = None


@dataclass(frozen=True, slots=True)
class ListPairs:
    """A figure of each list under both models; NaN where the list does not define it. `weight_L`: None: all alike."""

    user_L: Int64
    champion_L: Float64
    challenger_L: Float64
    weight_L: Float64 | None = None


def groups_of(user_ids: Sequence[str]) -> Int64:
    """int64[S]: the group of each user, the same in every run."""
    return np.array([crc32(user_id.encode()) % NUM_GROUPS for user_id in user_ids], np.int64)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Tables float64[NUM_GROUPS, columns]: of binary tasks and of log seconds (COLUMNS), of lists (LIST_COLUMNS)."""

    binary: Mapping[str, Float64] = field(default_factory=dict)
    seconds: Mapping[str, Float64] = field(default_factory=dict)
    lists: Mapping[str, Float64] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Mapping[str, JudgedRows], lists: Mapping[str, ListPairs]) -> "Evidence":
        """Tasks without a row and figures without a list are left out."""
        tables = {task: (judged.is_binary, _task_sums(judged)) for task, judged in rows.items() if len(judged.y_N)}
        return cls(
            binary={task: table for task, (is_binary, table) in tables.items() if is_binary},
            seconds={task: table for task, (is_binary, table) in tables.items() if not is_binary},
            lists={name: table for name, pairs in lists.items() if (table := _list_sums(pairs)).any()},
        )

    @classmethod
    def joined(cls, parts: Iterable["Evidence"]) -> "Evidence":
        """Everything seen in any of the parts, which must be over different rows."""
        held = list(parts)
        return cls(
            binary=_added([part.binary for part in held]),
            seconds=_added([part.seconds for part in held]),
            lists=_added([part.lists for part in held]),
        )

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        """For a checkpoint, by name; `from_tensors` reads them back."""
        tables = {"binary": self.binary, "seconds": self.seconds, "lists": self.lists}
        return {
            f"{prefix}.{sort}.{name}": torch.from_numpy(table.copy())
            for sort, by_name in tables.items()
            for name, table in by_name.items()
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], prefix: str) -> "Evidence":
        """What was saved under the prefix; nothing when there is none."""

        def tables(sort: str) -> dict[str, Float64]:
            start = f"{prefix}.{sort}."
            return {k.removeprefix(start): v.numpy().copy() for k, v in tensors.items() if k.startswith(start)}

        return cls(binary=tables("binary"), seconds=tables("seconds"), lists=tables("lists"))


def _task_sums(judged: JudgedRows) -> Float64:
    y_N, before_N, after_N = judged.y_N, judged.champion_N, judged.challenger_N
    kind_N = np.zeros(len(y_N), np.int64) if judged.kind_N is None else judged.kind_N
    loss = _log_loss if judged.is_binary else _squared_error
    of_kind = (np.ones(len(y_N)), y_N, before_N, after_N, loss(y_N, before_N), loss(y_N, after_N))
    columns = [(y_N > 0).astype(np.float64), y_N**2]
    for kind in range(len(KINDS)):
        is_kind = kind_N == kind
        # Not by multiplication: 0 x NaN is NaN, and one kind's nonsense would be said of all.
        columns += [np.where(is_kind, column, 0.0) for column in of_kind]
    return np.stack([np.bincount(judged.user_N, column, NUM_GROUPS) for column in columns], axis=1)


def _list_sums(pairs: ListPairs) -> Float64:
    is_defined = np.isfinite(pairs.champion_L) & np.isfinite(pairs.challenger_L)
    weight_L = (np.ones(len(is_defined)) if pairs.weight_L is None else pairs.weight_L)[is_defined]
    before_L, after_L = pairs.champion_L[is_defined], pairs.challenger_L[is_defined]
    columns = [np.ones(len(weight_L)), weight_L, weight_L * before_L, weight_L * after_L]
    return np.stack([np.bincount(pairs.user_L[is_defined], c, NUM_GROUPS) for c in columns], axis=1)


def _log_loss(y_N: Float64, p_N: Float64) -> Float64:
    p_N = np.clip(p_N, CLIP, 1 - CLIP)
    loss: Float64 = -(y_N * np.log(p_N) + (1 - y_N) * np.log(1 - p_N))
    return loss


def _squared_error(y_N: Float64, p_N: Float64) -> Float64:
    loss: Float64 = (y_N - p_N) ** 2
    return loss


def _added(parts: Sequence[Mapping[str, Float64]]) -> dict[str, Float64]:
    found: dict[str, Float64] = {}
    for part in parts:
        for name, table in part.items():
            found[name] = found[name] + table if name in found else table
    return found
