"""The ranker: gated experts over a factored first layer, one tower and head per task, position added while learning.

It maps features to logits and predictions; it knows no labels and no optimiser. Everything a version needs to serve is
inside: weights, normaliser, thresholds, calibration. A linear path from all features to every output runs through the
first layer, where it costs nothing.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.batch import Batch
from models.content import Content
from models.experts import GatedExperts, expert_plan
from models.feature_schema import FeatureSchema
from models.first_layer import FactoredLinear
from models.inputs import RankerInputs
from models.item_side import ItemSide
from models.kinds import NUM_KINDS, kinds
from models.learned_columns import LearnedColumns
from models.normaliser import Normaliser
from models.ordinal import LOGITS_PER_OUTPUT, OrdinalScale
from models.position import PositionLogit
from models.precision import full_precision
from models.predictions import as_predictions
from models.prepared_rows import PreparedRows
from models.ranker_config import RankerConfig
from models.row_learning import learn_rows
from models.row_predictions import PredictionPlan, predict_rows
from models.row_scoring import FoldedWeights, score_rows
from models.task_chain import chained
from models.task_checks import check_tasks
from models.tasks import CLICK_TASK, Task
from models.taste import Taste, TasteState

__all__ = ["TASTE", "Ranker"]

# Of every output until the first labels come: a rate of .05.
START_LOGIT = math.log(0.05 / 0.95)
# Name of the taste layer's own click logit among those of the tasks, while learning.
TASTE = "taste"


class Ranker(nn.Module):
    """Predicts all tasks for rows of slates. Built from the schema and the task list, which it keeps.

    Raises ValueError when the tasks do not fit each other (task_checks.py).
    """

    platt_TK2: Tensor

    def __init__(self, config: RankerConfig, schema: FeatureSchema, tasks: Sequence[Task]) -> None:
        super().__init__()
        check_tasks(tasks)
        names = [task.name for task in tasks]
        self.config, self.schema, self.tasks = config, schema, tuple(tasks)
        widths = (len(schema.user), len(schema.item), len(schema.cross))
        self.user_norm, self.item_norm, self.cross_norm = (Normaliser(width) for width in widths)
        self.learned = LearnedColumns(config, len(schema.content))
        self.num_outputs = [len(config.threshold_s) if task.loss == "ordinal" else 1 for task in tasks]
        plan = expert_plan(config.architecture, names, config.num_shared_experts, config.expert_groups)
        self.experts = GatedExperts(plan, config.expert_hidden, config.expert_width)
        self.taste = Taste(schema) if config.taste_columns else None
        beside_item, beside_cross = self.learned.widths
        num_inputs = widths[0], widths[1] + beside_item, widths[2] + int(self.taste is not None) + beside_cross
        self.first = FactoredLinear(*num_inputs, sum(self.experts.splits) + sum(self.num_outputs))
        self._build_towers(config)
        self.position = PositionLogit(config.num_positions, len(tasks))
        self.scales = nn.ModuleDict({t.name: OrdinalScale(config.threshold_s) for t in tasks if t.loss == "ordinal"})
        self.register_buffer("platt_TK2", torch.tensor([1.0, 0.0]).repeat(len(tasks), NUM_KINDS, 1))
        self._folded: FoldedWeights | None = None
        self._plan: PredictionPlan | None = None

    def _build_towers(self, config: RankerConfig) -> None:
        """Outputs start at zero weights: a task that never had a label is a constant, and cannot disturb an order."""
        bound = 1 / math.sqrt(config.expert_width)
        shape = (len(self.tasks), config.expert_width, config.tower_width)
        self.tower_TDW = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.tower_bias_TW = nn.Parameter(torch.empty(shape[0], shape[2]).uniform_(-bound, bound))
        self.heads = nn.ModuleList([nn.Linear(config.tower_width, num) for num in self.num_outputs])
        with torch.no_grad():
            self.first.weight_OF[sum(self.experts.splits) :] = 0
            self.first.bias_O[sum(self.experts.splits) :] = 0
            # Attention starts without a say. Ids do too, as their vectors start at zero.
            self.first.weight_OF[:, self.first.weight_OF.shape[1] - config.attention_width :] = 0
            if self.taste is not None:
                column = self.first.splits[0] + self.taste_place
                click = sum(self.num_outputs[: [task.name for task in self.tasks].index(CLICK_TASK)])
                self.first.weight_OF[sum(self.experts.splits) + click, column] = 1
        for head in self.heads:
            nn.init.zeros_(head.get_parameter("weight"))
            nn.init.constant_(head.get_parameter("bias"), START_LOGIT)

    def first_layer(self, inputs: RankerInputs, side: ItemSide) -> Tensor:
        """float[N, O]: the factored first layer over normalised features, ids, taste and attention."""
        rows_NF = self.rows(inputs, side, self.taste_column(self.solve_taste(inputs, side), inputs, side))
        inputs_NO: Tensor = self.first(self._users(inputs.user_SU), rows_NF, inputs.slate_N)
        return inputs_NO

    def rows(self, inputs: RankerInputs, side: ItemSide, taste_N1: Tensor, probe_NW: Tensor | None = None) -> Tensor:
        """float[N, F]: the items' inputs of the first layer and, after them, those of the pairs."""
        item_NF = self.learned.beside_item(self.item_norm(inputs.item_NI), side, inputs.content_N, probe_NW)
        return torch.cat([item_NF, self.cross_norm(inputs.cross_NX), taste_N1, self.learned.attended(inputs, side)], 1)

    def tail(self, inputs_NO: Tensor, shift_NT: Tensor | None = None) -> dict[str, Tensor]:
        """Logits per task from the first layer's outputs. See `by_task`."""
        return self.by_task(self._heads(inputs_NO), shift_NT)

    def _heads(self, inputs_NO: Tensor) -> list[Tensor]:
        hidden_NO, gate_NO, *linear = torch.split(inputs_NO, [*self.experts.splits, *self.num_outputs], dim=1)
        mixed_TND = self.experts(hidden_NO, gate_NO)
        tower_TNW = functional.silu(torch.baddbmm(self.tower_bias_TW.unsqueeze(1), mixed_TND, self.tower_TDW))
        towers = zip(self.heads, tower_TNW.unbind(0), linear, strict=True)
        return [(head(tower_NW) + linear_NK).float() for head, tower_NW, linear_NK in towers]

    def by_task(self, outputs: Sequence[Tensor], shift_NT: Tensor | None = None) -> dict[str, Tensor]:
        """Logits per task, [N], or [N, K] for ordinal tasks, from the outputs of the heads, float[N, K] each.

        A task that is a product has the logit of the product. `shift_NT` is added to the logits of the heads, before
        products: a cart is seen higher because its click is, and only what that leaves is its own.
        """
        logits = [LOGITS_PER_OUTPUT * o if t.loss == "ordinal" else o for t, o in zip(self.tasks, outputs, strict=True)]
        if shift_NT is not None:
            logits = [value + shift_N.unsqueeze(1) for value, shift_N in zip(logits, shift_NT.unbind(1), strict=True)]
        named = {
            task.name: value if task.loss == "ordinal" else value.squeeze(1)
            for task, value in zip(self.tasks, logits, strict=True)
        }
        return chained(self.tasks, named)

    def item_side(self, content: Content) -> ItemSide:
        """What a version says of items alone."""
        nothing_M0 = torch.zeros(content.num_items, 0, device=content.id_M.device)
        factor_MW = nothing_M0 if self.taste is None else self.taste.kernel(content)
        return ItemSide(factor_MW, *self.learned.of_items(content))

    def solve_taste(self, inputs: RankerInputs, side: ItemSide) -> TasteState | None:
        """What the users of the slates like; None without a taste layer, or when nobody has answered anything."""
        if self.taste is None or not inputs.history.answer_SA.shape[1]:
            return None
        return self.taste.solve(side.factor_MW, inputs.history)

    def taste_column(self, state: TasteState | None, inputs: RankerInputs, side: ItemSide) -> Tensor:
        """float[N, 1]: f_u(i) of the taste layer (taste.py); zero wide without one.

        The first layer's linear path begins by adding it to the click logit: the skip connection.
        """
        if self.taste is None or state is None:
            return inputs.item_NI.new_zeros(len(inputs.item_NI), int(self.taste is not None))
        return self.taste.of_items(state, side, inputs.content_N, inputs.slate_N).unsqueeze(1)

    def forward(
        self,
        inputs: RankerInputs,
        *,
        position_N: Tensor | None = None,
        kind_N: Tensor | None = None,
        probe_NW: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Logits per task: [N], or [N, K] for ordinal tasks. Without `position_N`, as when serving, position adds 0.

        `kind_N` int64 defaults to 0, a product. With a position, as when learning, `TASTE` is there too: the taste
        layer's own click logit, without position. `probe_NW`: zeros that are added to the rows' id vectors.
        """
        with full_precision(inputs.user_SU.device):
            side = self.item_side(inputs.content)
            taste_N1 = self.taste_column(self.solve_taste(inputs, side), inputs, side)
        rows_NF = self.rows(inputs, side, taste_N1, probe_NW)
        if position_N is None:
            return self.by_task(self.heads_of(self._users(inputs.user_SU), rows_NF, inputs.slate_N))
        at_place_NT = self.position(position_N, torch.zeros_like(position_N) if kind_N is None else kind_N)
        logits = self.by_task(self.heads_of(self._users(inputs.user_SU), rows_NF, inputs.slate_N), at_place_NT)
        if self.taste is None:
            return logits
        return {**logits, TASTE: self.taste.base(inputs.item_NI[:, self.schema.base_column]) + taste_N1.squeeze(1)}

    def predict(self, inputs: RankerInputs, side: ItemSide | None = None) -> dict[str, Tensor]:
        """Calibrated predictions per shown item, float[N] a task, without position. See `as_predictions`.

        `side`: that of `inputs.content`, when it is known already.
        """
        return self.predict_prepared(self.prepare(inputs, side))

    @torch.no_grad()
    def prepare(self, inputs: RankerInputs, side: ItemSide | None = None) -> PreparedRows:
        """Everything before the net: the users' tastes are solved, and the first layer's inputs are there."""
        side = self.item_side(inputs.content) if side is None else side
        state = self.solve_taste(inputs, side)
        rows_NF = self.rows(inputs, side, self.taste_column(state, inputs, side))
        return PreparedRows(inputs, side, state, self._users(inputs.user_SU), rows_NF)

    @torch.no_grad()
    def predict_prepared(self, prepared: PreparedRows) -> dict[str, Tensor]:
        """What `predict` gives, of rows that are prepared."""
        inputs, kind_N = prepared.inputs, kinds(self.schema, prepared.inputs.item_NI)
        if not self._is_by_rows(kind_N):
            heads = self.heads_of(prepared.user_SO, prepared.rows_NF, inputs.slate_N)
            return as_predictions(self, self.by_task(heads), kind_N)
        output_KN = self._score(prepared.user_SO, prepared.rows_NF, inputs.slate_N)
        return predict_rows(self._plan or PredictionPlan.of(self), output_KN, kind_N)

    def heads_of(self, user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> list[Tensor]:
        """Outputs of the heads, float[N, K] each, by the users' part; on a CPU in forms for learning and scoring."""
        if not self._is_by_rows(slate_N):
            return self._heads(self.first(user_SO, rows_NF, slate_N))
        if torch.is_grad_enabled():
            output_KN = learn_rows(self, user_SO, rows_NF, slate_N)
        else:
            output_KN = self._score(user_SO, rows_NF, slate_N)
        return [of_task_KN.T for of_task_KN in torch.split(output_KN, self.num_outputs)]

    @staticmethod
    def _is_by_rows(slate_N: Tensor) -> bool:
        return slate_N.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and len(slate_N) > 0

    def _score(self, user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> Tensor:
        return score_rows(self._folded or FoldedWeights.of(self), user_SO, rows_NF, slate_N)

    def _users(self, user_SU: Tensor) -> Tensor:
        return self.first.user_part(self.user_norm(user_SU))

    @torch.no_grad()
    def freeze(self, dtype: torch.dtype = torch.float32) -> None:
        """To serve on a CPU: weights change no more, what follows from them is computed once. `dtype`: of products."""
        self._folded, self._plan = FoldedWeights.of(self, dtype), PredictionPlan.of(self)
        for part in (self.user_norm, self.item_norm, self.cross_norm, *([self.taste.kernel] if self.taste else ())):
            part.freeze()

    @property
    def taste_place(self) -> int:
        """Column of the taste among the first layer's inputs of a row."""
        return self.first.splits[1] + len(self.schema.cross)

    def scale(self, task: str) -> OrdinalScale:
        """The thresholds of an ordinal task. Raises KeyError for any other task."""
        scale = self.scales[task]
        assert isinstance(scale, OrdinalScale)  # noqa: S101  the only kind put there
        return scale

    def observe(self, batch: Batch) -> None:
        """Updates what is counted, not learned: feature moments and positions seen."""
        self.user_norm.observe(batch.user_SU)
        self.item_norm.observe(batch.item_NI)
        self.cross_norm.observe(batch.cross_NX)
        self.position.observe(batch.position_N, batch.kind_N)
        if self.taste is not None and batch.content.num_items:
            self.taste.kernel.dense_norm.observe(batch.content.dense_MD)
