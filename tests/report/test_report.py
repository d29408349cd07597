"""The page made from real rounds: whole, self-contained, honest about what could not be measured."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.report.group_worth import worth_of_groups
from streams.report.report_job import NoHistoryError, build_report
from streams.settings import CatalogueFields, Settings, TrainingSettings
from streams.training.registry import Registry
from streams.training.round_history import RoundHistory
from tests.report.records import cells, record, rows
from tests.training.taste_world import ready_slates
from tests.training.trainers import PER_ROUND, Trainer

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Pairs(HTMLParser):
    """Which elements are open; a closing tag must close the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  as the parser calls it
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    training = TrainingSettings(device="cpu", round_slates=PER_ROUND, round_interval_s=None, replay_slates=16)
    fields = CatalogueFields(affinity=("category",), numbers=("price",))
    made = Trainer(Settings(data_dir=tmp_path_factory.mktemp("run"), catalogue=fields, training=training))
    made.feed(ready_slates(8 * PER_ROUND))
    assert any(made.run_due())
    yield made
    made.close()


@pytest.fixture(scope="module")
def html(trained: Trainer) -> str:
    """Made while the trainer holds its folders."""
    return build_report(trained.settings, 1_700_000_000_000).html


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(html: str) -> None:
    pairs = Pairs()
    pairs.feed(html)
    assert pairs.open == []
    assert pairs.seen.count("svg") >= 20
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', html) == []
    assert re.findall(r"https?://(?!www\.w3\.org/)[^\"' <]*", html) == []
    assert "<script" not in html


def test_every_colour_of_a_drawing_follows_the_scheme_of_the_reader(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert {colour for drawing in drawings for colour in re.findall(r"#[0-9a-f]{6}", drawing)} <= {"#000000", "#ffffff"}
    assert "prefers-color-scheme:dark" in html


def test_it_tells_all_parts_of_the_story(html: str) -> None:
    assert re.findall(r"<h1>(.*?)</h1>", html)[0].startswith("Clicks: AUC .")
    assert re.findall(r"<h2>(.*?)</h2>", html) == [
        "Where it stands", "Is it learning?", "How good is it, over time?", "Can its probabilities be believed?",
        "What does it predict?", "Does it hold for late labels?", "What does it live on?", "What the gate decided",
        "How the tasks live together", "Words used here",
    ]  # fmt: skip
    for said in ("NDCG@10 without the group", "no task is worse beyond noise", "click: loss", "Recall", "up to 1 min"):
        assert said in html, said


def test_features_are_weighed_on_the_buffer_that_the_trainer_holds(html: str) -> None:
    assert "The champion on the newest 512 lists (5,120 rows) of the replay buffer" in html


def test_what_cannot_be_measured_is_said_and_the_rest_is_shown(trained: Trainer, tmp_path: Path) -> None:
    shutil.copytree(trained.settings.data_dir / "trainer", tmp_path / "trainer")
    settings = trained.settings.model_copy(update={"data_dir": tmp_path})
    found = build_report(settings, 0).html
    assert "No version serves yet, so there is nothing to take features away from." in found
    assert "What the gate decided" in found


def test_why_features_were_not_weighed_is_said(trained: Trainer, tmp_path: Path) -> None:
    settings = trained.settings.model_copy(update={"data_dir": tmp_path})
    shutil.copytree(trained.settings.data_dir / "models", tmp_path / "models")
    registry = Registry(tmp_path / "models", 10)
    champion = registry.champions().version

    def said() -> str:
        return str(worth_of_groups(settings, registry, champion))

    assert said().endswith("is not there, so there are no lists to try the champion on.")
    (tmp_path / "buffer").mkdir()
    assert said().startswith("Not measured this time: the replay buffer in")
    (registry.path(champion) / "weights.safetensors").write_bytes(b"torn")
    assert said().startswith("Not measured this time: checkpoint")


def test_a_long_history_does_not_make_a_heavy_page(tmp_path: Path) -> None:
    history = RoundHistory(tmp_path / "trainer")
    held = cells(*rows(1))
    for number in range(1, 1201):
        history.append(record(number, held))
    html = build_report(Settings(data_dir=tmp_path), 0).html
    assert len(html) < 3_000_000
    assert "<summary>388 more</summary>" in html


def test_without_a_round_it_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(NoHistoryError, match=r"rounds\.jsonl holds no round yet.*freshrank demo --data-dir"):
        build_report(settings, 0)


def test_the_command_writes_the_page_and_prints_what_it_says_first(trained: Trainer, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    given = ["models", "report", "--out", str(out), "--data-dir", str(trained.settings.data_dir)]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("Clicks: AUC .")
    assert last == f"written to {out}"
    assert out.read_text().startswith("<!doctype html>")
