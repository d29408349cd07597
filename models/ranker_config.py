"""Shape of a ranker: what is fixed when it is made, and kept with every version."""

from dataclasses import dataclass
from typing import Self

from models.experts import Architecture

__all__ = ["RankerConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankerConfig:
    """Shape of the ranker. The defaults are those of models.md 11.1 (3 shared, 1 click, 1 post-click expert)."""

    architecture: Architecture = "gated"
    num_shared_experts: int = 3
    """Experts that every task may use; with `shared_bottom` there is one, whatever is said here."""
    expert_groups: tuple[tuple[str, ...], ...] = (("click",),)
    """With `gated`: tasks that own an expert together. Tasks named nowhere form one more group."""
    expert_hidden: int = 64
    expert_width: int = 32
    tower_width: int = 16
    num_positions: int = 64
    """Places with a logit of their own; later places share the last."""
    threshold_s: tuple[float, ...] = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
    """First dwell thresholds, seconds; replaced by quantiles of what is observed."""
    taste_columns: int = 256
    """Columns of the taste layer's content basis; 0 leaves the taste layer out."""
    id_rows: int = 0
    """Rows of the table of item vectors by id, never more; 0 leaves it out. On RankLens ids did not help."""
    id_width: int = 16
    attention_width: int = 0
    """Width of the attention over a user's last actions; 0 leaves it out: the taste layer says what it could."""

    @classmethod
    def compact(cls) -> Self:
        """One shared expert and no taste layer: for lists of thousands, or a machine that has little to give."""
        return cls(architecture="shared_bottom", taste_columns=0)
