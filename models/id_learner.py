"""Who has a row in the id table, and how its rows learn: admission by count, expiry when idle, row-wise Adagrad.

Only rows that are new count and teach: on what was learned before, ids would learn rows by heart (models.md 5.2). A
step costs as much as the rows it touches: gradients are those of the batch's rows, never of the table.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.batch import Batch
from models.content import NO_ITEM
from models.id_table import FREE, IdTable

__all__ = ["IdLearner", "IdLearning"]

# Keeps a row whose gradients were all zero from being divided by zero.
EPSILON = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class IdLearning:
    """How ids learn. Values of models.md 5.6 and 11.2."""

    learning_rate: float = 0.02
    admission_count: int = 5
    """An id has a row of its own from this time on that it is shown."""
    idle_steps: int = 50_000
    """Steps without being shown after which a row is free again; before that when the table is full, oldest first."""


class IdLearner:
    """What training knows beside the table: how often ids without a row were shown, when rows were, Adagrad's sums.

    `waiting[id]`: times shown, of never more ids than there are rows to be earned. When more come, all counts fall by
    one and ids at zero leave (Misra and Gries 1982): what is shown often comes through a flood of what is not.
    """

    def __init__(self, table: IdTable, config: IdLearning) -> None:
        self.table, self.config = table, config
        device = table.embedding_RW.device
        self.square_R = torch.zeros(len(table.embedding_RW), device=device)
        self.last_step_E = torch.zeros(len(table.key_E), dtype=torch.int64, device=device)
        self.waiting: dict[int, int] = {}

    @torch.no_grad()
    def observe(self, batch: Batch, step: int) -> None:
        """Counts the ids of new rows; frees rows that are idle, and gives rows to ids that have earned one."""
        shown_N = batch.content_N[~batch.is_replay_N & (batch.content_N != NO_ITEM)]
        id_U, count_U = torch.unique(batch.content.id_M[shown_N], return_counts=True)
        place_U, is_own_U = self.table.places(id_U)
        self.last_step_E[place_U[is_own_U]] = step
        self._free((self.table.key_E != FREE) & (self.last_step_E < step - self.config.idle_steps))
        earned = self._count(id_U[~is_own_U].tolist(), count_U[~is_own_U].tolist())
        if earned:
            self._admit(batch, torch.tensor(earned, device=id_U.device), step)

    def probe(self, batch: Batch) -> Tensor:
        """float32[N, W] of zeros to be added to the rows' id vectors: its gradient is theirs."""
        return self.table.embedding_RW.new_zeros(batch.num_rows, self.table.embedding_RW.shape[1]).requires_grad_()

    @torch.no_grad()
    def learn(self, batch: Batch, gradient_NW: Tensor) -> None:
        """One step of row-wise Adagrad (one sum of squares a row, as in torchrec) on the rows that were shown."""
        is_new_N = ~batch.is_replay_N & (batch.content_N != NO_ITEM)
        row_N = self.table.rows_of(batch.content)[0][batch.content_N[is_new_N]]
        row_U, place_N = torch.unique(row_N, return_inverse=True)
        gradient_UW = gradient_NW.new_zeros(len(row_U), gradient_NW.shape[1])
        gradient_UW.index_add_(0, place_N, gradient_NW[is_new_N])
        self.square_R.index_add_(0, row_U, gradient_UW.square().mean(1))
        step_UW = gradient_UW / (self.square_R[row_U].sqrt() + EPSILON).unsqueeze(1)
        self.table.embedding_RW.index_add_(0, row_U, step_UW, alpha=-self.config.learning_rate)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything beside the table, as flat named tensors."""
        facts = torch.tensor(list(self.waiting.items()), dtype=torch.int64).view(-1, 2)
        return {"square_R": self.square_R, "last_step_E": self.last_step_E, "waiting": facts}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Goes on where `state_dict` was taken."""
        self.square_R, self.last_step_E = state["square_R"], state["last_step_E"]
        self.waiting = dict(state["waiting"].tolist())

    def _count(self, ids: list[int], counts: list[int]) -> list[int]:
        """Adds to what is waiting; returns the ids shown often enough, which wait on if nothing is free."""
        for one, count in zip(ids, counts, strict=True):
            self.waiting[one] = self.waiting.get(one, 0) + count
        earned = [one for one in ids if self.waiting[one] >= self.config.admission_count]
        while len(self.waiting) > len(self.table.key_E):
            self.waiting = {one: count - 1 for one, count in self.waiting.items() if count > 1}
        return earned

    def _admit(self, batch: Batch, earned: Tensor, step: int) -> None:
        table, content = self.table, batch.content
        num_free = int((table.key_E == FREE).sum())
        if num_free < len(earned):
            order = torch.argsort(self.last_step_E, stable=True)
            idle = order[(table.key_E[order] != FREE) & (self.last_step_E[order] < step)]
            is_freed_E = torch.zeros_like(table.key_E, dtype=torch.bool)
            is_freed_E[idle[: len(earned) - num_free]] = True
            self._free(is_freed_E)
        earned = earned[: int((table.key_E == FREE).sum())]
        first_M = torch.argsort(content.id_M, stable=True)
        item_K = first_M[torch.searchsorted(content.id_M[first_M], earned)]
        start_MW = table(content)
        place_K = torch.arange(len(table.key_E) - len(earned), len(table.key_E), device=earned.device)
        row_K = table.row_E[place_K]
        table.key_E[place_K], self.last_step_E[place_K] = earned, step
        table.embedding_RW[row_K] = start_MW[item_K]
        self.square_R[row_K] = 0
        self._sort()
        for one in earned.tolist():
            self.waiting.pop(one, None)

    def _free(self, is_freed_E: Tensor) -> None:
        if bool(is_freed_E.any()):
            self.table.key_E[is_freed_E] = FREE
            self._sort()

    def _sort(self) -> None:
        """Keys ascending again; free rows in order of their number, so that a restart gives the same ones."""
        table = self.table
        order = torch.argsort(table.key_E, stable=True)
        table.key_E.copy_(table.key_E[order])
        table.row_E.copy_(table.row_E[order])
        self.last_step_E = self.last_step_E[order]
