"""Learning from the stream, one step per batch: AdamW, clipped gradients, a guard against non-finite numbers, EMA.

It knows nothing of rounds, replay or publication: the trainer decides which rows come when. All its state is a flat
dict of tensors, so that a restart goes on exactly where it stopped.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from models.batch import Batch
from models.content_corpus import ContentCorpus
from models.ema import WeightAverage
from models.feature_dropout import drop_groups
from models.feature_schema import FeatureSchema
from models.finetune_config import FineTuneConfig
from models.finetune_state import check_fit, flat_tensors, part_of
from models.gradient_cosine import gradient_cosines
from models.id_learner import IdLearner
from models.kinds import kinds
from models.late_labels import weighed
from models.net_step import NetStep
from models.objective import Objective, task_targets
from models.optimiser_state import build_optimiser, clip_gradients, optimiser_tensors, restore_optimiser
from models.peers import Peers
from models.predictions import as_predictions
from models.ranker import Ranker
from models.serving_copy import ServingCopy
from models.targets import Targets
from models.task_calibration import TaskCalibration
from models.task_outputs import head_bias_name
from models.tasks import Task
from models.threshold_refit import refit_thresholds

__all__ = ["FineTuneConfig", "FineTuner"]

NUM_RECENT_DWELLS = 8192


class FineTuner:
    """A ranker in training, and everything needed to go on training it.

    `device`: "cuda", "cpu", or None for cuda when present. Weights depend on `seed` alone, not on torch's global state.
    `teacher`: the champion to stay near, or None; used when the objective's `distillation_weight` is not 0.
    """

    def __init__(
        self,
        config: FineTuneConfig,
        schema: FeatureSchema,
        tasks: Sequence[Task],
        device: torch.device | str | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.ranker = Ranker(config.ranker, schema, tasks).to(self.device)
        self.net = NetStep(self.ranker, self.device)
        self.objective = Objective(config.objective, tasks, self.ranker.num_outputs).to(self.device)
        half_life = config.calibration_half_life_rows
        binary = [task.name for task in tasks if not task.is_seconds]
        self.calibration = TaskCalibration(binary, half_life).to(self.device)
        self.weights = dict(self.ranker.named_parameters())
        self.average = WeightAverage(self.weights, config.average_decay)
        self.optimiser = build_optimiser(self.weights, config.weight_decay)
        self.recent_dwell_s = {name: torch.empty(0, device=self.device) for name in self.ranker.scales}
        self.corpus = ContentCorpus(len(schema.content))
        table = self.ranker.learned.ids
        self.ids = None if table is None else IdLearner(table, config.ids)
        self.teacher: Ranker | None = None
        self.gradient_cosines: dict[str, float] = {}
        self.num_steps, self.seed = 0, seed
        self.num_skipped = 0
        self._served = ServingCopy()

    def join(self, peers: Peers) -> None:
        """Learn together with other processes, which hold the same state and are given the same batches."""
        self.net = NetStep(self.ranker, self.device, peers)

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step on `batch`; returns the losses by name (objective.py) and `gradient_norm`.

        A batch with a label, loss or gradient that is not finite changes no weight: it is counted in `num_skipped`
        and the result is empty.
        """
        batch = batch.to(self.device)
        if not batch.has_finite_labels():
            self.num_skipped += 1
            return {}
        targets = {task.name: task_targets(self.ranker, batch, task) for task in self.ranker.tasks}
        self._count(batch, targets)
        schema, dropped_frac = self.ranker.schema, self.config.dropped_group_frac
        probe_NW = None if self.ids is None else self.ids.probe(batch)
        losses = self._losses(drop_groups(batch, schema, dropped_frac, self.seed, self.num_steps), targets, probe_NW)
        if self.num_steps % self.config.steps_between_cosines == 0:
            of_tasks = {task.name: losses[task.name] for task in self.ranker.tasks}
            self.gradient_cosines = gradient_cosines(
                of_tasks, self.ranker.first.weight_OF, sum(self.ranker.experts.splits)
            )
        self.ranker.zero_grad()
        of_ids = self.net.backward(losses["total"], probe_NW)
        norm = clip_gradients(self.weights, self.config.max_gradient_norm)
        checked = losses["total"] + norm if of_ids is None else losses["total"] + norm + of_ids.sum()
        if not bool(torch.isfinite(checked)):
            self.num_skipped += 1
            return {}
        if self.ids is not None and of_ids is not None:
            self.ids.learn(batch, of_ids)
        self._step()
        self.objective.balance(losses, targets)
        values = torch.stack([*losses.values(), norm]).detach().tolist()
        return dict(zip([*losses, "gradient_norm"], values, strict=True))

    def predict_then_calibrate(self, batch: Batch) -> dict[str, Tensor]:
        """Predictions (Ranker.predictions) for rows not learned yet, then one calibration step on their labels."""
        batch = batch.to(self.device)
        served = self._served.of(self.ranker, self.average, self.calibration)
        with torch.no_grad():
            logits = served(batch)
        predictions = as_predictions(served, logits, kinds(served.schema, batch.item_NI))
        self.calibration.observe(batch, logits, predictions)
        return predictions

    def serving_model(self) -> Ranker:
        """A copy with averaged weights and the calibration as it is now; what is learned later leaves it alone."""
        return copy.deepcopy(self._served.of(self.ranker, self.average, self.calibration))

    def refit(self) -> bool:
        """Moves what is fitted rather than learned, if it is far from what was seen. True when anything moved.

        For between two versions. Dwell thresholds go to the quantiles of recent dwell; what the heads have learned is
        carried over by interpolation (threshold_refit.py). The content basis follows the items (content_corpus.py).
        """
        is_moved = [
            refit_thresholds(self.ranker, self.average, self.objective.rates_of(name), name, recent)
            for name, recent in self.recent_dwell_s.items()
        ]
        taste = self.ranker.taste
        if taste is not None and self.corpus.is_fit_due:
            weight_F = taste.kernel.weights()[: self.corpus.num_fields].detach().cpu()
            taste.kernel.basis.set_fields(self.corpus.fit(weight_F, self.config.ranker.taste_columns))
            self._forget_inputs(taste.kernel.learned.take_values(self.corpus.telling_values()))
            is_moved.append(True)
        if any(is_moved):
            self._served.made_anew()
        return any(is_moved)

    @torch.no_grad()
    def _forget_inputs(self, is_given_up_K: Tensor) -> None:
        """The learned kernel reads something else there now: weights start from zero, also in the average."""
        name, gone = "taste.kernel.learned.hidden.weight", torch.nonzero(is_given_up_K).squeeze(1)
        self.weights[name][:, gone] = 0
        self.average.sums[name][:, gone] = 0

    def state_dict(self) -> dict[str, Tensor]:
        """Everything, as flat named tensors (CPU copies): weights, buffers, averages, optimiser, rates, counts."""
        parts = {
            "ranker": self.ranker.state_dict(),
            "objective": self.objective.state_dict(),
            "calibration": self.calibration.state_dict(),
            "average": self.average.sums,
            "optimiser": optimiser_tensors(self.optimiser, self.weights),
            "recent_dwell_s": self.recent_dwell_s,
            "corpus": self.corpus.state_dict(),
            "ids": {} if self.ids is None else self.ids.state_dict(),
            "count": {
                "average_share": torch.tensor(self.average.share, dtype=torch.float64),
                "steps": torch.tensor(self.num_steps),
                "skipped": torch.tensor(self.num_skipped),
                "seed": torch.tensor(self.seed),
            },
        }
        return flat_tensors(parts)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Goes on where `state_dict` was taken. Raises ValueError when the state is of another model."""
        check_fit(state, self.state_dict())
        names = ("ranker", "objective", "calibration", "average", "optimiser", "recent_dwell_s", "corpus", "ids")
        part = {name: part_of(state, name, self.device) for name in names}
        self.ranker.load_state_dict(part["ranker"])
        self.objective.load_state_dict(part["objective"])
        self.calibration.load_state_dict(part["calibration"])
        self.average.sums = part["average"]
        self.recent_dwell_s = part["recent_dwell_s"]
        self.corpus.load_state_dict(part["corpus"])
        if self.ids is not None:
            self.ids.load_state_dict(part["ids"])
        restore_optimiser(self.optimiser, self.weights, part["optimiser"])
        self.average.share = float(state["count.average_share"])
        self.num_steps, self.num_skipped, self.seed = (int(state[f"count.{n}"]) for n in ("steps", "skipped", "seed"))
        self._served.made_anew()

    def _count(self, batch: Batch, targets: dict[str, Targets]) -> None:
        """What is counted rather than learned; a head starts from its first labels' rate, and its first positives'."""
        self.ranker.observe(batch)
        if self.ranker.taste is not None:
            self.corpus.observe(batch.content)
        if self.ids is not None:
            self.ids.observe(batch, self.num_steps)
        tasks = {task.name: task for task in self.ranker.tasks}
        for name, of_task in targets.items():
            rates = self.objective.rates_of(name)
            before = bool(rates.rows_K.any()), bool(rates.positives_K.any())
            rates.observe(of_task)
            if before != (bool(rates.rows_K.any()), bool(rates.positives_K.any())):
                self._start_head(name, self.objective.start_bias(tasks[name]))
        for name, recent in self.recent_dwell_s.items():
            if name in batch.y:
                ended = batch.mask[name] & ~batch.censored
                self.recent_dwell_s[name] = torch.cat([recent, batch.y[name][ended]])[-NUM_RECENT_DWELLS:]

    @torch.no_grad()
    def _start_head(self, task: str, bias_K: Tensor) -> None:
        """Sets a head's bias, also in the average: reaching a rare task's rate by steps would take thousands."""
        name = head_bias_name(self.ranker, task)
        self.average.shift(name, bias_K - self.weights[name])
        self.weights[name].copy_(bias_K)
        self.calibration.reset(task)

    def _losses(self, batch: Batch, targets: dict[str, Targets], probe_NW: Tensor | None) -> dict[str, Tensor]:
        logits = self.net.logits(batch, probe_NW)
        teacher = None
        if self.teacher is not None and self.config.objective.distillation_weight:
            teacher = self.net.teacher(self.teacher, batch)
        losses: dict[str, Tensor] = self.objective(logits, weighed(batch, targets, logits), teacher)
        return losses

    def _step(self) -> None:
        is_bootstrap = self.num_steps < self.config.num_bootstrap_steps
        for group in self.optimiser.param_groups:
            rate = self.config.bootstrap_learning_rate if is_bootstrap else self.config.learning_rate
            group["lr"] = rate * (self.config.taste_rate_factor if group["is_taste"] else 1.0)
        self.optimiser.step()
        self.average.update(self.weights)
        self.num_steps += 1
        self._served.changed()
