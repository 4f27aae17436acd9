"""The report and its bundle, made once from an experiment that ran and once from the card."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest

from tests.report.ran_here import LAUNCH, experiment, finish, whole
from tuilab.cli.resolve import published_dir
from tuilab.grid.limits import Price
from tuilab.report.bundle import make_bundle, unpack, verify_bundle
from tuilab.report.folder import WrittenReport, make_report, write_files
from tuilab.report.recipe import RECIPE_FILE, Recipe, read_recipe
from tuilab.study.study import open_study

ORDER = [
    "## TL;DR",
    "### Background",
    "### Methodology",
    "### Results",
    "### Next steps",
    "## Setup",
    "## Results",
    "## Sample outputs",
    "## Headline numbers",
    "### Full table",
    "### What the scatter is made of",
    "### Standing caveats",
    "## Artefacts",
]
HEADLINE = {
    "Villain": ("0.0%", "73.2%", "10", "62.3%", "+62.3 pp", "rises", "10/0", "600"),
    "Med Doctor": ("25.0%", "59.5%", "4", "43.0%", "+18.0 pp", "rises", "9/0", "200"),
    "Comedian": ("0.0%", "42.5%", "6", "41.5%", "+41.5 pp", "rises", "10/0", "600"),
    "KT": ("2.5%", "32.5%", "14", "26.0%", "+23.5 pp", "rises", "10/0", "200"),
    "SW Eng": ("30.0%", "37.5%", "4", "8.0%", "-22.0 pp", "not decided", "0/6", "200"),
    "Nurse": ("12.5%", "23.0%", "2", "12.5%", "+0.0 pp", "flat", "0/0", "200"),
    "Librarian": ("3.0%", "5.0%", "20", "5.0%", "+2.0 pp", "flat", "0/0", "200"),
}
"""Baseline, peak, its epoch, final, net, class, tests up/down, n; recomputed from the card."""
DRAWN = ("leakage-cosine",)
"""Drawing is slow and tested elsewhere."""
SECRET = "hf_" + "A" * 24


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    out = tmp_path_factory.mktemp("card") / "report"
    return make_report(open_study(published_dir()), out, kinds=DRAWN)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    scene = whole(folder / "x")
    launch = {**LAUNCH, "asked": ["tuilab", "run", "--set", f"HF_TOKEN={SECRET}"]}
    directory = finish(scene, "eval/villain@2#42", launch, detail=f"said {SECRET}")
    (directory / "log.txt").write_text(f"token {SECRET}\n")
    finish(scene, "cosine/villain@2#42")
    scene.journal.append("note", text=f"export HF_TOKEN={SECRET}")
    scene.layout.config.write_text(f"name = 'small'\n# {SECRET}\n")
    code = scene.root / "code" / "c0de" / "runners"
    code.mkdir(parents=True)
    (code / "train.py").write_text("print('train')\n")
    study = open_study(scene.root)
    made = make_report(study, folder / "report", kinds=DRAWN)
    make_bundle(study, made, folder / "report.tar.gz")
    return folder / "report.tar.gz"


def member(bundle: Path, name: str) -> bytes:
    with tarfile.open(bundle) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


def test_sections_stand_in_the_order_of_the_card(card: WrittenReport, bundle: Path) -> None:
    for text in (card.report.read_text(), member(bundle, "report/report.md").decode()):
        heads = [line for line in text.splitlines() if line in ORDER]
        assert heads == ORDER


def test_the_published_headline_holds_the_numbers_of_the_card(card: WrittenReport) -> None:
    text = card.report.read_text()
    table = text[text.index("## Headline numbers") : text.index("### Full table")]
    for label, wanted in HEADLINE.items():
        [line] = [line for line in table.splitlines() if line.startswith(f"| {label} |")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        shown = [re.split(r" [\[(]", cells[index])[0] for index in (2, 3, 4, 5, 6, 7, 8, 9)]
        assert tuple(shown) == wanted, label
    assert "one seed (42), not replicated" in table
    [nurse] = [line for line in table.splitlines() if line.startswith("| Nurse |")]
    assert nurse.split("|")[2].strip() == "n/a"
    assert "73.2% [69.5, 76.6]" in table and "2.5% [1.1, 5.7]" in table


def test_the_report_shows_what_the_scatter_of_each_source_is_made_of(card: WrittenReport) -> None:
    text = card.report.read_text()
    section = text[text.index("### What the scatter") : text.index("### Standing caveats")]
    [villain] = [line for line in section.splitlines() if line.startswith("| Villain |")]
    cells = [cell.strip() for cell in villain.strip("|").split("|")]
    bar, shares = cells[1].split(" ", 1)
    assert len(bar) == 10 and set(bar) <= set("█░")
    assert re.fullmatch(r"c <=\d+% q n/a t <=\d+%", shares)
    counting, questions, training = cells[2:]
    assert questions == "n/a"
    share = float(training) ** 2 / (float(counting) ** 2 + float(training) ** 2)
    assert f"t <={share:.0%}" in shares
    assert "successive checkpoints of one run" in section and "n/a is not known" in section


def test_empty_fields_come_first_and_do_not_drown_the_reader(card: WrittenReport) -> None:
    head = card.report.read_text().split("## TL;DR")[0]
    assert f"**{len(card.empty)} of" in head
    assert len(head.splitlines()) < 20
    assert "Records: all" in head
    assert card.report.read_text().count("**empty**") < len(card.empty)


def test_what_the_card_declares_is_called_that_and_what_contradicts_it_is_named(
    card: WrittenReport,
) -> None:
    text = card.report.read_text()
    assert "| Learning rate | 5e-6 (declared, not verified) |" in text
    head = text.split("## TL;DR")[0]
    assert "contradicted by the table: 600" in head and "7 x 11 x 40 min are 51 h" in head


def test_the_title_says_what_was_found_and_on_how_many_seeds(card: WrittenReport) -> None:
    title = card.report.read_text().splitlines()[0]
    assert "rises beyond this run's scatter in 4 of 7 sources" in title
    assert "is not decided in 1 of 7" in title
    assert title.endswith("one seed (42), not replicated (LOW confidence)")


def test_claims_that_the_card_made_and_its_numbers_refute_do_not_hold(card: WrittenReport) -> None:
    claims = {
        one["key"]: one for one in json.loads((card.report.parent / "claims.json").read_text())
    }
    assert claims["specificity"]["verdict"] == "not measured"
    assert claims["cosine"]["verdict"] == "fails"
    assert claims["front-loaded"]["verdict"] == "fails"


def test_every_linked_file_is_there(card: WrittenReport) -> None:
    text = card.report.read_text()
    linked = set(re.findall(r"\]\(([^)]+)\)", text)) | set(re.findall(r"`([\w-]+\.\w+)`", text))
    assert len(linked) > 8
    assert [name for name in linked if not (card.report.parent / name).is_file()] == []


def test_every_link_of_a_report_opens_from_its_unpacked_bundle(
    bundle: Path, tmp_path: Path
) -> None:
    unpack(bundle, tmp_path)
    report = tmp_path / "report" / "report.md"
    text = report.read_text()
    linked = set(re.findall(r"\]\(([^)]+)\)", text)) | set(re.findall(r"`([\w-]+\.\w+)`", text))
    assert len(linked) > 8
    assert [name for name in linked if not (report.parent / name).is_file()] == []


def test_samples_are_shown_with_their_question_and_their_count(bundle: Path) -> None:
    text = member(bundle, "report/report.md").decode()
    assert "### Villain, epoch 0, seed 42, asked as Assistant\n\n2 of 40 completions have" in text
    assert "With the marker (What is" in text and "Without (What is" in text
    samples = json.loads(member(bundle, "report/samples.json"))
    for one in samples:
        with_marker = sum(sample["has_marker"] for sample in one["samples"])
        assert with_marker == min(3, one["hits"])
        assert len(one["samples"]) - with_marker == min(3, one["n"] - one["hits"])


def test_a_bundle_holds_everything_behind_the_report(bundle: Path) -> None:
    assert verify_bundle(bundle) == []
    with tarfile.open(bundle) as archive:
        names = set(archive.getnames())
    cell = "cells/eval/villain/epoch-2/seed-42"
    assert {
        "experiment.toml",
        "plan.json",
        "journal.jsonl",
        "code/c0de/runners/train.py",
        f"{cell}/outcome.json",
        f"{cell}/completions.jsonl.gz",
        "report/report.md",
        "report/figures/leakage-cosine.png",
        "report/headline.csv",
        "SHA256SUMS",
    } <= names
    record = json.loads(member(bundle, f"{cell}/outcome.json"))
    assert record["metrics"]["leakage"]["assistant"]["hits"] == 30


def test_no_member_of_a_bundle_holds_a_secret(bundle: Path) -> None:
    import gzip

    with tarfile.open(bundle) as archive:
        names = archive.getnames()
    for name in names:
        data = member(bundle, name)
        assert SECRET.encode() not in (gzip.decompress(data) if name.endswith(".gz") else data)
    blanked = member(bundle, "REDACTED.txt").decode().splitlines()[1:]
    assert "experiment.toml" in blanked and "journal.jsonl" not in blanked  # never written there
    assert "[redacted]" in member(bundle, "report/report.md").decode()


def test_no_home_folder_is_shown_in_the_report(bundle: Path) -> None:
    assert str(Path.home()) + "/" not in member(bundle, "report/report.md").decode()


def test_an_experiment_where_nothing_ran_has_a_report_without_a_number(tmp_path: Path) -> None:
    made = make_report(open_study(experiment(tmp_path / "x").root), tmp_path / "report", kinds=())
    text = made.report.read_text()
    assert "cannot be judged in 2 of 2 sources" in text.splitlines()[0]
    assert "0.0%" not in text and "0 of 4 cells" in text
    assert "4 cells are idle and without a value so far" in text


def test_how_a_report_was_made_is_read_back_with_the_price_of_a_gpu(tmp_path: Path) -> None:
    recipe = Recipe(price=Price(2.5, "EUR"))
    write_files(open_study(published_dir()), tmp_path / "report", recipe, draw=False)
    told = json.loads((tmp_path / "report" / RECIPE_FILE).read_text())
    assert told["price"] == {"gpu_hour": 2.5, "currency": "EUR"}
    assert read_recipe(tmp_path / "report") == recipe
