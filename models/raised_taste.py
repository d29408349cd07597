"""What is not known of a user, in predictions: what they would be if the user liked every item more than is known.

One standard deviation of the taste layer (taste.py) is added to each row's taste, which is an input of the net like any
other. Exploration draws from the difference (streams/ranking/thompson.py).
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
    state = ranker.solve_taste(inputs, side)
    item_NF, pair_NF = ranker.rows(inputs, side, ranker.taste_column(state, inputs, side))
    content_R, slate_R, pair_RF = inputs.content_N[row_R], inputs.slate_N[row_R], pair_NF[row_R]
    if ranker.taste is not None:
        variance_R = ranker.taste.variance(state, side.factor_MW, content_R, slate_R)
        pair_RF[:, len(ranker.schema.cross)] += variance_R.sqrt()
    # One pass: of small batches most is overhead.
    rows = torch.cat([item_NF, item_NF[row_R]]), torch.cat([pair_NF, pair_RF])
    heads = ranker.heads_of(inputs.user_SU, rows, torch.cat([inputs.slate_N, slate_R]))
    kind_N = ranker.kinds(inputs.item_NI)
    both = as_predictions(ranker, ranker.by_task(heads), torch.cat([kind_N, kind_N[row_R]]))
    num = len(kind_N)
    return {task: value[:num] for task, value in both.items()}, {task: value[num:] for task, value in both.items()}
