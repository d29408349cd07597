"""What the taste layer computes with beside its kernel, in both its forms: taste.py learns, taste_serving.py serves."""

from typing import NamedTuple

__all__ = ["ANSWERS_A_FADE", "MIN_CURVATURE", "NO_BASE_LOGIT", "NUM_STEPS", "TasteWeights"]

# One step takes every answer as a surprise, and overshoots. RankLens, NDCG@10 and normalised entropy of the training
# lists' last fifth, with trust that fades: .6432 and .7750; one step, without: .6414 and .7773.
NUM_STEPS = 2
# Answers after which trust has faded once: about a list.
ANSWERS_A_FADE = 24
# Keeps the weight of an answer that was certain above zero, as its square root is divided by in the gradient.
MIN_CURVATURE = 1e-6
NO_BASE_LOGIT = -3.0


class TasteWeights(NamedTuple):
    """Learned numbers as they are: base c1 and c2; log trust in the newest answer, and how it fades; same item."""

    base_scale: float
    base_shift: float
    log_trust: float
    fading: float
    identity: float
