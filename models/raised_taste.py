"""What is not known of a user, in predictions: what they would be if the user liked every item more than is known.

One standard deviation of the taste layer (taste.py) is added to each row's taste, which is an input of the net like any
other. Exploration draws from the difference (streams/ranking/thompson.py).
"""

import torch
from torch import Tensor

from models.predictions import as_predictions
from models.prepared_rows import PreparedRows
from models.ranker import Ranker

__all__ = ["predict_raised"]


@torch.no_grad()
def predict_raised(ranker: Ranker, prepared: PreparedRows, row_R: Tensor) -> dict[str, Tensor]:
    """Raised predictions of the rows `row_R` int64, beside those that `Ranker.predict_prepared` gives.

    Without a taste layer these are equal; a user without answers is as uncertain as the kernel says beforehand.
    """
    inputs, side = prepared.inputs, prepared.side
    item_RF, pair_RF = (part_NF[row_R] for part_NF in prepared.rows)
    content_R, slate_R = inputs.content_N[row_R], inputs.slate_N[row_R]
    if ranker.taste is not None:
        variance_R = ranker.taste.variance(prepared.taste, side.factor_MW, content_R, slate_R)
        pair_RF[:, len(ranker.schema.cross)] += variance_R.sqrt()
    heads = ranker.heads_of(inputs.user_SU, (item_RF, pair_RF), slate_R)
    return as_predictions(ranker, ranker.by_task(heads), ranker.kinds(inputs.item_NI[row_R]))
