"""What is not known of a user, in predictions: what they would be if the user liked every item more than is known.

One standard deviation of the taste layer (taste.py) is added to each row's taste, which is an input of the net like any
other. Exploration draws from the difference (streams/ranking/thompson.py).
"""

import torch
from torch import Tensor

from models.inputs import RankerInputs
from models.prepared_rows import PreparedRows
from models.ranker import Ranker

__all__ = ["predict_raised"]


@torch.no_grad()
def predict_raised(ranker: Ranker, prepared: PreparedRows, row_R: Tensor) -> dict[str, Tensor]:
    """Raised predictions of the rows `row_R` int64, beside those that `Ranker.predict_prepared` gives.

    Without a taste layer these are equal; a user without answers is as uncertain as the kernel says beforehand.
    """
    inputs = prepared.inputs
    asked = RankerInputs(
        user_SU=inputs.user_SU,
        item_NI=inputs.item_NI[row_R],
        cross_NX=inputs.cross_NX[row_R],
        slate_N=inputs.slate_N[row_R],
        content_N=inputs.content_N[row_R],
        content=inputs.content,
        history=inputs.history,
    )
    rows_RF = prepared.rows_NF[row_R]
    if ranker.taste is not None:
        factor_MW = prepared.side.factor_MW
        variance_R = ranker.taste.variance(prepared.taste, factor_MW, asked.content_N, asked.slate_N)
        rows_RF[:, ranker.taste_place] += variance_R.sqrt()
    return ranker.predict_prepared(prepared._replace(inputs=asked, rows_NF=rows_RF))
