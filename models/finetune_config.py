"""How a ranker learns from the stream."""

from dataclasses import dataclass, field

from models.id_learner import IdLearning
from models.objective import ObjectiveConfig
from models.ranker_config import RankerConfig

__all__ = ["FineTuneConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneConfig:
    """How to learn. Values of models.md 11.2 unless a sentence says otherwise."""

    ranker: RankerConfig = field(default_factory=RankerConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    learning_rate: float = 1e-3
    bootstrap_learning_rate: float = 2e-3
    """For the first `num_bootstrap_steps` steps of a model's life."""
    num_bootstrap_steps: int = 1000
    weight_decay: float = 1e-4
    taste_rate_factor: float = 5.0
    """How much faster the taste kernel's few weights learn: they are logarithms of scales, not small numbers."""
    max_gradient_norm: float = 1.0
    ids: IdLearning = field(default_factory=IdLearning)
    """Used when the ranker has a table of ids."""
    average_decay: float = 0.98
    """Of the weights that are served, per step."""
    calibration_half_life_rows: float = 20_000.0
    """Memory of the online calibration, rows with a label."""
    dropped_group_frac: float = 0.05
    """Chance that a slate learns without a group of features (models.md 10)."""
    steps_between_cosines: int = 200
    """Steps between two looks at how tasks pull the shared layer (models.md 4)."""
