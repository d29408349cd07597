"""A few films with genres and a year, and what three users answered to them."""

import torch

from models.content import NO_ITEM, Content, item_hash, value_code
from models.content_corpus import ContentCorpus
from models.feature_schema import FeatureSchema
from models.inputs import History
from models.taste import Taste

SCHEMA = FeatureSchema(affinity_fields=("genres",), number_fields=("year",), text_fields=("title",))
GENRES, TITLE = (SCHEMA.content.index(field) for field in ("genres", "title"))
FILMS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], float], ...] = (
    ("alien", ("horror", "space"), ("alien",), 1979),
    ("aliens", ("action", "space"), ("aliens", "return"), 1986),
    ("airplane", ("comedy",), ("airplane",), 1980),
    ("top secret", ("comedy", "action"), ("top", "secret"), 1984),
    ("gravity", ("space",), ("gravity",), 2013),
    ("return", ("comedy",), ("return",), float("nan")),
)


def films() -> Content:
    codes = [
        [*(value_code(GENRES, genre) for genre in genres), *(value_code(TITLE, word) for word in words)]
        for _, genres, words, _ in FILMS
    ]
    return Content(
        id_M=torch.tensor([item_hash(name) for name, *_ in FILMS]),
        value_V=torch.tensor([code for of_film in codes for code in of_film]),
        item_V=torch.tensor([m for m, of_film in enumerate(codes) for _ in of_film]),
        dense_MD=torch.tensor([[year] for *_, year in FILMS]),
    )


def history(answers: list[list[tuple[int, float]]]) -> History:
    """Answers per user, each a film and whether it was clicked; every film had a click rate of .2."""
    width = max(map(len, answers))
    padded = [[(NO_ITEM, 0.0)] * (width - len(of_user)) + of_user for of_user in answers]
    none = torch.empty(len(answers), 0)
    return History(
        answer_SA=torch.tensor([[film for film, _ in of_user] for of_user in padded], dtype=torch.int64),
        answer_y_SA=torch.tensor([[y for _, y in of_user] for of_user in padded]).view(len(answers), width),
        answer_logit_SA=torch.full((len(answers), width), -1.386),
        action_SH=none.long(),
        action_kind_SH=none.long(),
        action_age_s_SH=none,
    )


def taste(num_columns: int = 64) -> Taste:
    """A taste layer with a basis of the films and weights that differ."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        made = Taste(SCHEMA)
    corpus = ContentCorpus(len(SCHEMA.content))
    corpus.observe(films())
    made.kernel.basis.set_fields(corpus.fit(torch.ones(len(SCHEMA.content)), num_columns))
    made.kernel.dense_norm.observe(films().dense_MD)
    with torch.no_grad():
        made.kernel.field_raw_F.copy_(torch.tensor([0.1, 0.7, -0.3]))
        made.base_shift.fill_(0.2)
        made.log_trust.fill_(-0.1)
        made.fading.fill_(3.0)
    return made
