"""What the speed benchmarks compute on: the schema of the default settings, five tasks, a made-up catalogue and users.

Values are random: speed depends on shapes alone. Shapes are those of a shop with default settings, and the peer gets
the same: as many features, experts of the same widths, towers and tasks.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.batch import Batch
from models.content import Content, item_hash, value_code
from models.content_corpus import ContentCorpus
from models.feature_schema import FeatureSchema
from models.inputs import History, RankerInputs
from models.ranker import Ranker
from models.tasks import DEFAULT_TASKS, Task
from streams.settings import Settings

__all__ = ["SCHEMA", "TASKS", "as_features", "examples", "fit_content", "request", "with_random_outputs"]

SCHEMA: FeatureSchema = Settings().catalogue.schema_
TASKS: tuple[Task, ...] = tuple(
    task for task in DEFAULT_TASKS if task.name in {"click", "dwell", "cart", "order", "dislike"}
)
NUM_ITEMS, NUM_ANSWERS = 10_000, 96
# Values of a field in the catalogue, and how many of them an item has.
VALUES = {"category": (50, 1), "brand": (500, 1), "tags": (1000, 5), "title": (5000, 8), "text": (20_000, 20)}
CLICK_FRAC, CART_FRAC = 0.1, 0.02


def catalogue(rng: np.random.Generator) -> Content:
    """NUM_ITEMS with values of every content field; rare values are rare."""
    codes, items = [], []
    for field, name in enumerate(SCHEMA.content):
        num_values, num_each = VALUES[name]
        code_V = np.array([value_code(field, f"{name}-{v}") for v in range(num_values)])
        drawn = (num_values * rng.random((NUM_ITEMS, num_each)) ** 2).astype(np.int64)
        codes.append(code_V[drawn].ravel())
        items.append(np.repeat(np.arange(NUM_ITEMS), num_each))
    return Content(
        id_M=torch.tensor([item_hash(f"item-{m}") for m in range(NUM_ITEMS)]),
        value_V=torch.from_numpy(np.concatenate(codes)),
        item_V=torch.from_numpy(np.concatenate(items)),
        dense_MD=torch.from_numpy(rng.normal(size=(NUM_ITEMS, len(SCHEMA.dense))).astype(np.float32)),
    )


def request(rng: np.random.Generator, num_users: int, num_rows: int, content: Content | None = None) -> RankerInputs:
    """`num_rows` candidates each, and NUM_ANSWERS answers, for `num_users`; item rows are of the whole catalogue."""
    num = num_users * num_rows
    answers = (num_users, NUM_ANSWERS)
    nothing = History.empty(num_users)
    return RankerInputs(
        user_SU=_normal(rng, num_users, len(SCHEMA.user)),
        item_NI=_normal(rng, num, len(SCHEMA.item)),
        cross_NX=_normal(rng, num, len(SCHEMA.cross)),
        slate_N=torch.arange(num_users).repeat_interleave(num_rows),
        content_N=torch.from_numpy(rng.integers(0, NUM_ITEMS, num)),
        content=catalogue(rng) if content is None else content,
        history=replace(
            nothing,
            answer_SA=torch.from_numpy(rng.integers(0, NUM_ITEMS, answers)),
            answer_y_SA=torch.from_numpy((rng.random(answers) < CLICK_FRAC).astype(np.float32)),
            answer_logit_SA=_normal(rng, *answers) - 2.0,
        ),
    )


def examples(rng: np.random.Generator, num_slates: int, slate_size: int) -> Batch:
    """Slates with labels of every task, as the trainer gives them."""
    shown = request(rng, num_slates, slate_size)
    num = num_slates * slate_size
    click = (rng.random(num) < CLICK_FRAC).astype(np.float32)
    return Batch.from_arrays(
        user_SU=shown.user_SU.numpy(),
        item_NI=shown.item_NI.numpy(),
        cross_NX=shown.cross_NX.numpy(),
        slate_N=shown.slate_N.numpy(),
        position_N=np.tile(np.arange(slate_size), num_slates),
        kind_N=np.zeros(num, np.int64),
        labels={
            "click": click,
            "dwell": np.where(click > 0, np.exp(rng.normal(3, 1, num)), np.nan),
            **{name: click * (rng.random(num) < CART_FRAC) for name in ("cart", "order")},
            "dislike": (rng.random(num) < CART_FRAC).astype(np.float32),
        },
        content_N=shown.content_N.numpy(),
        content=shown.content,
        history=shown.history,
    )


def fit_content(ranker: Ranker, content: Content) -> None:
    """Gives the taste layer the basis that a trainer would have fitted to these items."""
    if ranker.taste is not None:
        corpus = ContentCorpus(len(SCHEMA.content))
        corpus.observe(content)
        weight_F = ranker.taste.kernel.weights()[: len(SCHEMA.content)].detach()
        ranker.taste.kernel.basis.set_fields(corpus.fit(weight_F, ranker.config.taste_columns))
        ranker.taste.kernel.dense_norm.observe(content.dense_MD)


def with_random_outputs(ranker: Ranker, inputs: RankerInputs) -> Ranker:
    """The ranker as if it had learned: outputs that start at zero get random weights, features are known."""
    ranker.user_norm.observe(inputs.user_SU)
    ranker.item_norm.observe(inputs.item_NI)
    ranker.cross_norm.observe(inputs.cross_NX)
    with torch.no_grad():
        for head in ranker.heads:
            torch.nn.init.normal_(head.get_parameter("weight"), std=0.5)
    return ranker.eval().requires_grad_(requires_grad=False)


def as_features(inputs: RankerInputs) -> Tensor:
    """float32[N, F]: the same captured features as one table, which is how the peer takes them."""
    return torch.cat([inputs.user_SU[inputs.slate_N], inputs.item_NI, inputs.cross_NX], 1)


def _normal(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))
