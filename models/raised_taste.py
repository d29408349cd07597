"""What is not known of a user, in predictions: what they would be if the user liked every item more than is known.

One standard deviation of the taste layer (taste.py) is added to each row's taste. The experts need not be asked again:
the taste enters after them. Exploration draws from the difference (streams/ranking/thompson.py).
"""

import torch
from torch import Tensor

from models.inputs import RankerInputs
from models.item_side import ItemSide
from models.predictions import as_predictions
from models.ranker import Ranker

__all__ = ["predict_raised"]


@torch.no_grad()
def predict_raised(
    ranker: Ranker, inputs: RankerInputs, side: ItemSide, row_R: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Predictions of N rows as `Ranker.predict` gives them, and the raised ones of the rows `row_R` int64.

    Without a taste layer these equal the first; a user without answers is as uncertain as the kernel says beforehand.
    """
    heads, kind_N = ranker.heads_of(inputs, side), ranker.kinds(inputs.item_NI)
    state = ranker.solve_taste(inputs, side)
    shift_NT = ranker.taste_shift(state, inputs, side)
    found = as_predictions(ranker, ranker.by_task(heads, shift_NT), kind_N)
    if ranker.taste is None:
        return found, {task: value_N[row_R] for task, value_N in found.items()}
    content_R, slate_R = inputs.content_N[row_R], inputs.slate_N[row_R]
    variance_R = ranker.taste.variance(state, side.factor_MW, content_R, slate_R)
    raised_RT = variance_R.sqrt().unsqueeze(1) * ranker.taste_skip_T
    if shift_NT is not None:
        raised_RT += shift_NT[row_R]
    logits = ranker.by_task([logit_NK[row_R] for logit_NK in heads], raised_RT)
    return found, as_predictions(ranker, logits, kind_N[row_R])
