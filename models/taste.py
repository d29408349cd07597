"""The taste layer: per user, a Gaussian process over what the user answered, on top of the item's click rate.

logit(u, i) = c1 b_i + c2 + f_u(i), where b_i is the item's smoothed click log-odds and f_u a logistic Gaussian process
over the user's last answers, by two Newton steps of the Laplace approximation (Rasmussen and Williams 2006, algorithm
3.1; models.md 11.5). An answer counts at once, without a gradient step; f_u is a sum over answers and kernel groups, so
it explains itself exactly; its variance is what is not known of the user. Kernel and c are learned through the solve,
and so is how much less older answers are trusted. On a CPU, without gradients, taste_serving.py does it.
"""

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.content import NO_ITEM
from models.feature_schema import FeatureSchema
from models.inputs import History
from models.item_side import ItemSide
from models.taste_kernel import TasteKernel
from models.taste_serving import score_items, solve_users, variances
from models.taste_weights import ANSWERS_A_FADE, MIN_CURVATURE, NO_BASE_LOGIT, NUM_STEPS, TasteWeights

__all__ = ["Taste", "TasteState"]

# Cells of items by users up to which a product of all is faster than gathering the factors of a row (measured: 64).
MAX_CELLS_A_ROW = 64


@dataclass(frozen=True, slots=True)
class TasteState:
    """S users as their answers say: f_u(i) = phi(i) . `direction_SW`[u] + the weight of same items.

    `alpha_SA`: how much each answer says, 0 where there is none. `root_SA` and `lower_SAA` give the variance: square
    root of the answers' curvature, 0 where there is no answer; Cholesky factor of I + root K root. `factor_MW`: factors
    of the content's items.
    """

    history: History
    direction_SW: Tensor
    alpha_SA: Tensor
    root_SA: Tensor
    lower_SAA: Tensor
    factor_MW: Tensor

    def factors(self, slate_U: Tensor) -> Tensor:
        """float[U, A, W]: of what users answered to; those of any item where there is no answer."""
        return _gather(self.factor_MW, self.history.answer_SA[slate_U])


class Taste(nn.Module):
    """Solves users' tastes and scores items by them."""

    def __init__(self, schema: FeatureSchema) -> None:
        super().__init__()
        self.kernel = TasteKernel(schema)
        self.base_scale = nn.Parameter(torch.ones(()))
        self.base_shift = nn.Parameter(torch.zeros(()))
        self.log_trust = nn.Parameter(torch.zeros(()))
        self.fading = nn.Parameter(torch.zeros(()))

    def base(self, logit: Tensor) -> Tensor:
        """c1 b + c2; a missing b counts as a usual one."""
        known = torch.where(torch.isfinite(logit), logit, NO_BASE_LOGIT)
        scaled: Tensor = self.base_scale * known + self.base_shift
        return scaled

    def solve(self, factor_MW: Tensor, history: History) -> TasteState:
        """The users' state, from factors of the content's items. Without answers f is 0."""
        return self._served(factor_MW, history) if _is_serving(factor_MW) else self._learning(factor_MW, history)

    def _served(self, factor_MW: Tensor, history: History) -> TasteState:
        given = [_array(one) for one in (history.answer_SA, history.answer_y_SA, history.answer_logit_SA)]
        (num_users, num_answers), width = history.answer_SA.shape, factor_MW.shape[1]
        direction_SW, upper_SAA = torch.empty(num_users, width), torch.empty(num_users, num_answers, num_answers)
        alpha_SA, root_SA = torch.empty(num_users, num_answers), torch.empty(num_users, num_answers)
        found = direction_SW, alpha_SA, root_SA, upper_SAA
        solve_users(_array(factor_MW), self._weights(), *given, *(one.numpy() for one in found))
        return TasteState(history, direction_SW, alpha_SA, root_SA, upper_SAA.transpose(1, 2), factor_MW)

    def _weights(self) -> TasteWeights:
        learned = self.base_scale, self.base_shift, self.log_trust, self.fading, self.kernel.identity
        return TasteWeights(*(weight.item() for weight in learned))

    def _learning(self, factor_MW: Tensor, history: History) -> TasteState:
        answer_SA = history.answer_SA
        is_answer_SA = answer_SA != NO_ITEM
        factor_SAW = _gather(factor_MW, answer_SA)
        is_same_SAA = answer_SA.unsqueeze(1) == answer_SA.unsqueeze(2)
        kernel_SAA = torch.baddbmm(self.kernel.identity * is_same_SAA, factor_SAW, factor_SAW.transpose(1, 2))
        base_SA, trust_SA = self.base(history.answer_logit_SA), self.trust(answer_SA)
        y_SA, f_SA = history.answer_y_SA.clamp(min=0), torch.zeros_like(base_SA)
        eye = torch.eye(answer_SA.shape[1], device=factor_MW.device)
        for step in range(NUM_STEPS):
            p_SA = (base_SA + f_SA).sigmoid()
            curvature_SA = p_SA * (1 - p_SA) * trust_SA
            # Where there is no answer nothing is pulled, whatever factors and kernel are there.
            root_SA1 = ((curvature_SA + MIN_CURVATURE).sqrt() * is_answer_SA).unsqueeze(2)
            pull_SA1 = (curvature_SA * f_SA + (y_SA - p_SA) * trust_SA).unsqueeze(2)
            lower_SAA = torch.linalg.cholesky(torch.addcmul(eye, root_SA1 * root_SA1.transpose(1, 2), kernel_SAA))
            pulled_SA1 = torch.cholesky_solve(root_SA1 * (kernel_SAA @ pull_SA1), lower_SAA)
            alpha_SA1 = pull_SA1 - root_SA1 * pulled_SA1
            if step + 1 < NUM_STEPS:
                f_SA = (kernel_SAA @ alpha_SA1).squeeze(2)
        direction_SW = (factor_SAW.transpose(1, 2) @ alpha_SA1).squeeze(2)
        return TasteState(history, direction_SW, alpha_SA1.squeeze(2), root_SA1.squeeze(2), lower_SAA, factor_MW)

    def trust(self, answer_SA: Tensor) -> Tensor:
        """float[S, A]: how much each answer counts; 0 where there is none. The newest stands last."""
        num = answer_SA.shape[1]
        fades_A = torch.arange(num - 1, -1, -1, device=answer_SA.device) / ANSWERS_A_FADE
        trust_SA: Tensor = (self.log_trust - self.fading * fades_A).exp() * (answer_SA != NO_ITEM)
        return trust_SA

    def forward(self, state: TasteState, factor_NW: Tensor, content_N: Tensor, slate_N: Tensor) -> Tensor:
        """float[N]: f_u(i) of rows, from the factors of their items and their numbers in the content."""
        by_content_N = (factor_NW * state.direction_SW.index_select(0, slate_N)).sum(1)
        return torch.addcmul(by_content_N, self.kernel.identity, same_item_alpha(state, content_N, slate_N))

    def of_items(self, state: TasteState, side: ItemSide, content_N: Tensor, slate_N: Tensor) -> Tensor:
        """float[N]: the same from what is known of the content's items; 0 for NO_ITEM.

        While learning, one product of all items with all users is faster than one of every row, unless rows are few
        beside it.
        """
        if _is_serving(side.factor_MW):
            served_N, answer_SA = torch.empty(len(content_N)), state.history.answer_SA
            users = _array(state.direction_SW), _array(state.alpha_SA), _array(answer_SA)
            rows = _array(content_N), _array(slate_N), served_N.numpy()
            score_items(_array(side.factor_MW), self.kernel.identity.item(), *users, *rows)
            return served_N
        num_users = len(state.direction_SW)
        if not len(side) or len(side) * num_users > MAX_CELLS_A_ROW * len(content_N):
            found_N: Tensor = self(state, side.factors(content_N), content_N, slate_N)
            return found_N
        by_item_C = (side.factor_MW @ state.direction_SW.T).flatten()
        cell_N = content_N.clamp(min=0) * num_users + slate_N
        by_content_N = torch.where(content_N != NO_ITEM, by_item_C.index_select(0, cell_N), 0.0)
        return torch.addcmul(by_content_N, self.kernel.identity, same_item_alpha(state, content_N, slate_N))

    def variance(self, state: TasteState | None, factor_MW: Tensor, content_N: Tensor, slate_N: Tensor) -> Tensor:
        """float[N]: of f_u(i), given the answers: k(i, i) - |L^-1 root k(answers, i)|^2, at least 0.

        `factor_MW`: of the content's items. Without a state, as when nobody has answered anything, k(i, i). One solve
        for all rows of a user: every user's rows side by side, padded to the longest list (U users, R rows).
        """
        if state is not None and _is_serving(factor_MW):
            served_N, upper_SAA = torch.empty(len(content_N)), state.lower_SAA.transpose(1, 2)
            users = _array(state.history.answer_SA), _array(state.root_SA), _array(upper_SAA)
            rows = _array(content_N), _array(slate_N), served_N.numpy()
            variances(_array(factor_MW), self.kernel.identity.item(), *users, *rows)
            return served_N
        known_NW = _gather(factor_MW, content_N) * (content_N != NO_ITEM).unsqueeze(1)
        prior_N = self.kernel.identity + known_NW.square().sum(1)
        if state is None or not len(slate_N):
            return prior_N
        user_U, place_N, column_N = _side_by_side(slate_N)
        content_UR = content_N.new_full((len(user_U), int(column_N.max()) + 1), NO_ITEM)
        content_UR[place_N, column_N] = content_N
        answer_UA = state.history.answer_SA[user_U]
        is_known_U1R = (content_UR != NO_ITEM).unsqueeze(1)
        is_same_UAR = (answer_UA.unsqueeze(2) == content_UR.unsqueeze(1)) & is_known_U1R
        k_UAR = state.factors(user_U) @ _gather(factor_MW, content_UR).transpose(1, 2) * is_known_U1R
        pulled_UAR = k_UAR.addcmul_(self.kernel.identity, is_same_UAR).mul_(state.root_SA[user_U].unsqueeze(2))
        solved_UAR = torch.linalg.solve_triangular(state.lower_SAA[user_U], pulled_UAR, upper=False)
        known_UR = solved_UAR.square().sum(1)
        return torch.clamp(prior_N - known_UR[place_N, column_N], min=0)

    def contributions(self, state: TasteState, factor_NW: Tensor, content_N: Tensor, slate_N: Tensor) -> Tensor:
        """float[N, A, G]: what each answer says of a row by each kernel group; over A and G they add up to f."""
        groups = self.kernel.column_groups()
        product_NAW = state.factors(slate_N) * factor_NW.unsqueeze(1)
        is_of_WG = functional.one_hot(groups, len(self.kernel.groups)).to(product_NAW.dtype)
        found = product_NAW @ is_of_WG
        answer_NA = state.history.answer_SA[slate_N]
        is_same_NA = (answer_NA == content_N.unsqueeze(1)) & (answer_NA != NO_ITEM)
        found[:, :, -1] = self.kernel.identity * is_same_NA
        return found * state.alpha_SA[slate_N].unsqueeze(2)


def _is_serving(factor_MW: Tensor) -> bool:
    """Whether the compiled form does it: on a CPU, when nothing is learned from it."""
    return factor_MW.device.type == "cpu" and not torch.is_grad_enabled()


def _array(tensor: Tensor) -> NDArray[Any]:
    """For compiled functions."""
    array: NDArray[Any] = tensor.detach().contiguous().numpy()
    return array


def _gather(factor_MW: Tensor, place: Tensor) -> Tensor:
    """Factors of items; those of any item where there is none."""
    if not len(factor_MW):
        return factor_MW.new_zeros(*place.shape, factor_MW.shape[1])
    return functional.embedding(place.clamp(min=0), factor_MW)


def _side_by_side(slate_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The U slates that have rows; which of them each row is of, int64[N]; and its number among the rows of that."""
    user_U, place_N, num_U = torch.unique(slate_N, return_inverse=True, return_counts=True)
    order_N = place_N.argsort(stable=True)
    first_U = num_U.cumsum(0) - num_U
    column_N = torch.empty_like(order_N)
    column_N[order_N] = torch.arange(len(order_N), device=order_N.device) - first_U[place_N[order_N]]
    return user_U, place_N, column_N


def same_item_alpha(state: TasteState, content_N: Tensor, slate_N: Tensor) -> Tensor:
    """float[N]: the sum of alpha over the answers of a row's user to the row's item."""
    answer_SA = state.history.answer_SA
    if not answer_SA.shape[1] or not len(content_N):
        return torch.zeros(len(content_N), device=content_N.device)
    # One cell per user and item; NO_ITEM has the first, which stays 0.
    num_cells = int(max(answer_SA.max(), content_N.max())) + 2
    user_S1 = torch.arange(len(answer_SA), device=answer_SA.device).unsqueeze(1) * num_cells
    cells = torch.zeros(len(answer_SA) * num_cells, device=content_N.device)
    alpha_SA = state.alpha_SA * (answer_SA != NO_ITEM)
    cells = cells.index_add(0, (user_S1 + answer_SA + 1).flatten(), alpha_SA.flatten())
    return cells.index_select(0, slate_N * num_cells + content_N + 1)
