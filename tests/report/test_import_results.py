"""A table of one's own: everything wrong with it by line, nothing written then, order kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.ran_here import whole
from tuilab.report import declared_card
from tuilab.report.caveats import caveats
from tuilab.report.import_results import ImportRefusedError, read_table, write_results
from tuilab.science.claims.standard import standard_claims
from tuilab.science.design import design_of
from tuilab.science.figures.prepare import figure
from tuilab.store.find_experiments import find_experiments
from tuilab.store.shipped import published_dir
from tuilab.study.comparability import Comparability
from tuilab.study.comparison import compare
from tuilab.study.comparison_text import as_document, as_lines
from tuilab.study.headline_table import render
from tuilab.study.study import open_study
from tuilab.tui.present.compare_text import compare_lines

COUNTS = "source,epoch,metric,hits,n\n"
VALUES = "source,epoch,metric,value\n"


def refused(tmp_path: Path, content: str | bytes, unit: str = "rate") -> str:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ImportRefusedError) as caught:
        read_table(path, unit, "assistant")
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty; it needs a header line"),
        ("\n\n", "is empty; it needs a header line"),
        ("villain,0,leakage,0.1\n", "line 1 is not a header (villain,0,leakage,0.1)"),
        (VALUES, "the table has no rows"),
        ("source;epoch;mood\na;0;1\n", "unknown columns mood"),
        ("source,epoch,Leakage,mood\na,0,1,1\n", "unknown columns mood; known columns: source"),
        ("source,epoch,metric,value,mood\n", "unknown columns mood; known columns: source"),
        ("source,epoch,metric,value,value\n", "line 1 names value more than once"),
        ("source,epoch\nvillain,0\n", "column 'metric' is missing"),
        (VALUES + "villain,0,leakage,\n", "every value is missing"),
        (VALUES + "villain,0,leakage,NaN\nvillain,2,leakage,nan\n", "every value is missing"),
        (COUNTS + "villain,0,leakage,0,0\n", "line 2, n: n = 0"),
        (VALUES + "villain,0,leakage,101\n", "line 2, value: leakage 101 is above 1"),
        (VALUES + 'villain,0,leakage,"1,250"\n', "'1,250' is not a number: write a decimal point"),
        (VALUES + "villain,0,leakage,inf\n", "line 2, value: is not a finite number"),
        (VALUES + "villain,0,leakage,.1\n\nvillain,0,leakage,.2\n", "line 4: repeats line 2"),
        (VALUES + 'villain,0,leakage,"0.1\n', "line 2: unexpected end of data"),
        (b"\x89PNG\r\n\x1a\n\x00", "is not a text table (byte 1 is not UTF-8: save it as UTF-8)"),
        (b"a\x00b,c\n", "is not a text table (it holds NUL bytes)"),
    ],
)
def test_a_bad_file_is_refused_in_a_sentence(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    assert sentence in refused(tmp_path, content)


TIDY = VALUES + "villain,0,leakage,0.25\nvillain,2,leakage,0.5\n"


@pytest.mark.parametrize(
    "content",
    [
        TIDY,
        TIDY.replace(",", ";"),
        TIDY.replace(",", "\t").replace("0.5", "0,5").replace("0.25", "0,25"),
        VALUES + 'villain,0,leakage,"0,25"\nvillain,2,leakage,"0,500"\n',
        "\nsource,epoch,leakage\nvillain,0,0.25\nvillain,2,0.5\n",
        "Source,Epoch,Leakage (%)\nvillain,0,25\nvillain,2,50%\n",
        "source;ep;leakage\nvillain;0;25,0 %\nvillain;2;50 %\n",
        "source,0,2\nvillain,0.25,0.5\n",
        "source,epoch 0 %,epoch 2 %\nvillain,25,50\n",
        "Ep,Villain (-0.36)\n0,0.25\n2,0.5\n".replace("Villain", "villain"),
        "epoch\tvillain\n0\t25%\n2\t50%\n",
    ],
)
def test_the_layouts_that_people_have_say_the_same(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    frame = read_table(tmp_path / "t.csv", "rate", "assistant").frame
    rows = frame[["source", "epoch", "metric", "persona", "value"]].values.tolist()
    assert rows == [
        ["villain", 0, "leakage", "assistant", 0.25],
        ["villain", 2, "leakage", "assistant", 0.5],
    ]


def test_a_column_source_rate_is_of_the_source_itself(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("source,epoch,leakage,source_rate\nvillain,0,.1,.9\n")
    frame = read_table(tmp_path / "t.csv", "rate", "assistant").frame
    assert dict(zip(frame["persona"], frame["value"], strict=True)) == {
        "assistant": 0.1,
        "villain": 0.9,
    }


def test_one_cause_takes_one_line_with_how_often(tmp_path: Path) -> None:
    rows = "".join(f"villain,{epoch},{epoch + 20}.5\n" for epoch in range(0, 40, 2))
    said = refused(tmp_path, f"source,epoch,leakage\n{rows}")
    assert "line 2, value: leakage 20.5 is above 1 (is the table in percent?)" in said
    assert "in percent?); 19 more lines alike" in said and len(said.splitlines()) == 2


def test_blank_lines_before_the_header_are_passed_over_and_lines_counted_as_in_the_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "t.csv").write_text("\n\n" + VALUES + "villain,0,leakage,0.5\n")
    assert read_table(tmp_path / "t.csv", "rate", "assistant").sources == ("villain",)
    assert "line 4, value: 'x' is not" in refused(tmp_path, f"\n\n{VALUES}villain,0,leakage,x\n")


def test_a_rate_above_a_hundred_percent_is_refused_in_percent_too(tmp_path: Path) -> None:
    assert "above 100 percent" in refused(tmp_path, VALUES + "villain,0,leakage,101\n", "percent")


def test_every_problem_is_named_by_its_line_at_once(tmp_path: Path) -> None:
    rows = (
        "villain,x,leakage,.1\nvillain,0,mood,.1\n,0,leakage,.1\nvillain,2,leakage\na,1,leakage,b\n"
    )
    said = refused(tmp_path, VALUES + rows).splitlines()
    assert said[0].endswith("5 problems, nothing was written")
    assert [line.split(":")[0].strip() for line in said[1:]] == [
        "line 2, epoch",
        "line 3, metric",
        "line 4, source",
        "line 5",
        "line 6, value",
    ]


def test_pools_are_not_mixed(tmp_path: Path) -> None:
    rows = "a,0,cosine,.1,15,eleven\na,2,cosine,.2,15,many\n"
    said = refused(tmp_path, "source,epoch,metric,value,layer,pool\n" + rows)
    assert "line 3, pool: mixed pools at layer 15: 'many' beside 'eleven'" in said


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_what_is_no_file_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImportRefusedError):
        read_table(tmp_path / name, "rate", "assistant")


def an_import(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8-sig")
    table = read_table(path, "rate", "assistant")
    design = design_of(table.frame, sources=table.sources, name="mine")
    design = replace(design, seed_given=table.seed_given)
    told = {"imported_from": "t.csv"}
    return write_results(tmp_path / "runs" / "mine", table.frame, design, told)


def test_the_order_of_sources_is_the_files_and_epochs_are_sorted(tmp_path: Path) -> None:
    rows = "villain,4,leakage,5,10\nlibrarian,2,leakage,1,10\nvillain,0,leakage,1,10\n"
    root = an_import(tmp_path, COUNTS + rows)
    study = open_study(root)
    assert study.snapshot.sources == ("villain", "librarian")
    assert study.snapshot.epochs == (0, 2, 4)
    assert study.snapshot.read_only
    assert [found.root for found in find_experiments(tmp_path)] == [root]
    rows_of = {row["source"]: row for row in json.loads(render(study, "json"))["rows"]}
    assert rows_of["villain"]["final"] == 0.5
    assert rows_of["librarian"]["baseline"] is None


def test_a_place_that_is_taken_is_left_as_it_is(tmp_path: Path) -> None:
    root = an_import(tmp_path, COUNTS + "villain,0,leakage,1,10\n")
    before = {path: path.read_bytes() for path in root.iterdir()}
    with pytest.raises(ImportRefusedError, match="choose another --name"):
        an_import(tmp_path, COUNTS + "villain,0,leakage,9,10\n")
    assert {path: path.read_bytes() for path in root.iterdir()} == before
    assert [path.name for path in root.parent.iterdir()] == ["mine"]


def test_the_shipped_results_declare_what_their_card_file_says() -> None:
    told = json.loads((published_dir() / "design.json").read_text())["provenance"]
    card = declared_card.parse((published_dir() / "run-card.toml").read_text())
    assert declared_card.of_provenance(told) == card


def test_in_the_shipped_results_nurse_has_neither_source_rate_nor_cosine() -> None:
    study = open_study(published_dir())
    nurse = [row for row in study.rows if row["source"] == "nurse"]
    own = [row for row in nurse if row["persona"] == "nurse" or row["metric"] == "cosine"]
    assert len(own) == 22
    assert {(row["value"], row["status"]) for row in own} == {(None, "missing")}
    sizes = {(row["source"], row["n"]) for row in study.rows if row["value"] and row["n"]}
    assert {source for source, n in sizes if n == 600} == {"villain", "comedian"}


def test_a_table_without_seeds_has_no_seed_that_anybody_said(tmp_path: Path) -> None:
    study = open_study(an_import(tmp_path, COUNTS + "villain,0,leakage,1,20\n"))
    assert "seed not given, not replicated" in render(study, "text")
    assert caveats(study, [])[0].startswith("Seed not given: nothing is replicated.")
    claims = {claim.key: claim for claim in standard_claims(study.analysis)}
    assert claims["seeds"].sentence.startswith("Seed not given: nothing is replicated")
    assert claims["seeds"].numbers == {"seeds": []}
    assert "Seed not given: no replication." in figure("leakage", study.analysis).note


def test_a_table_with_one_seed_keeps_it(tmp_path: Path) -> None:
    text = COUNTS.replace("source", "seed,source") + "0,villain,0,leakage,1,20\n"
    root = an_import(tmp_path, text)
    assert "one seed (0), not replicated" in render(open_study(root), "text")
    assert "seed_given" not in json.loads((root / "design.json").read_text())


def test_a_table_without_seeds_pairs_with_a_run_of_one_seed_and_says_so(tmp_path: Path) -> None:
    mine = open_study(an_import(tmp_path, COUNTS + "villain,0,leakage,1,20\n"))
    run = open_study(whole(tmp_path / "run").root)
    found = compare(mine.snapshot, run.snapshot, "assistant_leakage")
    assert len(found.measured) == 1
    apart = Comparability(1, {}, ("mine",))
    assert as_lines(found, apart)[0].startswith("small (seed 42) minus mine (seed not given): ")
    assert as_document(found, apart)["one"]["seeds"] == []


def test_a_table_without_seeds_is_no_seed_of_several_and_the_way_out_is_told(
    tmp_path: Path,
) -> None:
    mine = open_study(an_import(tmp_path, COUNTS + "villain,0,leakage,1,20\n"))
    run = open_study(whole(tmp_path / "run", seeds=(42, 137)).root)
    said = "mine names no seed and small has 2 (42, 137): a column seed says which of them it is"
    for pair in ((mine, run), (run, mine)):
        found = compare(*(one.snapshot for one in pair), "assistant_leakage")
        assert as_lines(found, Comparability(0, {}))[-1] == said
        lines = ["".join(text for text, _ in line) for line in compare_lines(found, 78)]
        assert " ".join(line.strip() for line in lines) == said
