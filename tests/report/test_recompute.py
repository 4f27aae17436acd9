"""A bundle proves itself: whatever is not what its raw files give is named, checksums or not."""

from __future__ import annotations

import gzip
import json
import random
import re
import shutil
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.grid.planned import SMALL, load
from tests.report.ran_here import edit, finish, whole
from tuilab.cli.resolve import published_dir
from tuilab.cli.verbs.verify import _said
from tuilab.contract.report import Outcome, hash_output
from tuilab.contract.spec import Spec
from tuilab.grid.claims_lock import plan_digest
from tuilab.grid.fingerprint import digest_of_text
from tuilab.grid.planning import make_plan
from tuilab.grid.stages import Stage
from tuilab.report.bundle import BundleError, make_bundle, unpack, verify_bundle, write_bundle
from tuilab.report.folder import make_report, write_files
from tuilab.report.recipe import recipe_for
from tuilab.report.recompute import Recomputed, recompute
from tuilab.report.records import attempt_apart, plan_apart
from tuilab.report.recount import recount
from tuilab.study.study import open_study

EVAL = "cells/eval/villain/epoch-2/seed-42"
KINDS = ("leakage", "leakage-cosine", "heatmap")
RAW = re.compile(r"\.jsonl\.gz$|\.safetensors$|\.bin$|/spec\.json$|^(plan|experiment)\.")
"""Held by the archive's own sha256: from these everything else is made."""


def bundled(root: Path, folder: Path, kinds: tuple[str, ...] = KINDS) -> Path:
    """Bundle an experiment with its report and page; pictures are drawn in the trial alone."""
    study = open_study(root)
    recipe = replace(recipe_for(study, kinds=kinds, html=True), matplotlib="none")
    made = write_files(study, folder / "report", recipe, draw=False)
    make_bundle(study, made, folder / "b.tar.gz")
    return folder / "b.tar.gz"


def again(bundle: Path, folder: Path) -> Recomputed:
    room = folder / f"room-{random.random()}"
    room.mkdir()
    return recompute(bundle, room)


def members(bundle: Path) -> dict[str, bytes]:
    with tarfile.open(bundle) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]


def forged(bundle: Path, changes: dict[str, bytes | None]) -> Path:
    """Change members and write the checksums again."""
    held: dict[str, bytes | None] = dict(members(bundle))
    del held["SHA256SUMS"]
    held |= {name: data for name, data in changes.items() if data is not None}
    out = bundle.with_name("forged.tar.gz")
    write_bundle(
        out, {name: data for name, data in held.items() if changes.get(name, b"") is not None}
    )
    return out


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    return bundled(whole(folder / "x", reference="eps109").root, folder)


def test_a_bundle_as_it_was_made_is_the_same_again(bundle: Path, tmp_path: Path) -> None:
    found = again(bundle, tmp_path)
    assert found.problems == []
    assert ["pictures are not compared" in note for note in found.notes] == [True]
    assert found.attempts == 8 and found.files > 12
    report = members(bundle)["report/report.md"].decode()
    assert "### Deviations from the reference" in report
    assert "| batch x accumulation, marker | 4 x 4 | 4 x 1 | 4 x 4 |" in report


@pytest.mark.trial
def test_so_is_one_of_a_table_without_completions(tmp_path: Path) -> None:
    found = again(bundled(published_dir(), tmp_path, ()), tmp_path)
    assert found.problems == [] and found.attempts == 0


def test_each_changed_digit_of_a_derived_number_is_named(bundle: Path, tmp_path: Path) -> None:
    chance = random.Random(17)
    changes: dict[str, bytes | None] = {}
    wanted = []
    for name, data in members(bundle).items():
        if RAW.search(name) or name in ("SHA256SUMS", "report/made-with.json"):
            continue
        lines = data.decode().split("\n")
        of_numbers = [n for n, line in enumerate(lines) if _digits(name, line)]
        for n in chance.sample(of_numbers, min(8, len(of_numbers))):
            at = chance.choice(_digits(name, lines[n]))
            lines[n] = lines[n][:at] + str((int(lines[n][at]) + 1) % 10) + lines[n][at + 1 :]
            wanted.append(f"{name}, line {n + 1}: " if name.startswith("report/") else f"{name}: ")
        changes[name] = "\n".join(lines).encode()
    assert len({name for name in changes if name.startswith("report/")}) > 11
    path = forged(bundle, changes)
    assert verify_bundle(path) == []
    found = again(path, tmp_path)
    unnamed = [one for one in set(wanted) if not any(p.startswith(one) for p in found.problems)]
    assert unnamed == []


def test_a_record_that_another_record_contradicts_is_named(bundle: Path, tmp_path: Path) -> None:
    held, outcome = members(bundle), f"{EVAL}/outcome.json"
    changes: dict[str, bytes | None] = {
        "journal.jsonl": held["journal.jsonl"].replace(b'"seconds":12.5', b'"seconds":92.5', 1),
        outcome: held[outcome].replace(b'"output_hash": "', b'"output_hash": "0', 1),
        f"{EVAL}/more.json": b"1",
        "code/0123456789abcdef/runners/eval.py": b"1",
    }
    said = "\n".join(again(forged(bundle, changes), tmp_path).problems)
    assert "cells/data/villain/outcome.json: seconds is 12.5, and 92.5 in the journal" in said
    assert f"{outcome}: its output_hash is not that of the artefacts it lists" in said
    assert f"{EVAL}/more.json: is no file of this result" in said
    assert "code/0123456789abcdef: is not the code of this hash" in said


def test_a_plan_that_is_about_something_else_than_its_config_is_named(
    bundle: Path, tmp_path: Path
) -> None:
    """Else two labels could change places, and the report be made again of that."""
    held = members(bundle)
    plan = held["plan.json"].decode()
    swapped = plan.replace('"Villain"', '"X"').replace('"Comedian"', '"Villain"')
    changes: dict[str, bytes | None] = {
        "plan.json": swapped.replace('"X"', '"Comedian"').encode(),
    }
    said = "\n".join(again(forged(bundle, changes), tmp_path).problems)
    assert "labels.villain is 'Comedian', and 'Villain' by experiment.toml" in said
    changes = {"plan.json": plan.replace('"synthetic": false', '"synthetic": true').encode()}
    said = "\n".join(again(forged(bundle, changes), tmp_path).problems)
    assert "synthetic is True, and False by experiment.toml" in said
    said = "\n".join(again(forged(bundle, {"experiment.toml": None}), tmp_path).problems)
    assert "experiment.toml: is missing" in said


def test_a_config_that_was_changed_since_does_not_prove_a_plan(
    bundle: Path, tmp_path: Path
) -> None:
    """Else labels could change places under another digest, and all of it be called true."""
    plan = json.loads(members(bundle)["plan.json"])
    plan["labels"] |= {"villain": "Comedian", "comedian": "Villain"}
    plan["config_digest"] = "0" * 64
    found = again(forged(bundle, {"plan.json": json.dumps(plan).encode()}), tmp_path)
    assert "plan.json: labels.villain is 'Comedian', and 'Villain' by experiment.toml" in (
        found.notes
    )
    assert any("has been changed since the plan was made" in note for note in found.notes)
    assert not found.is_held_to_config
    assert _said(found).startswith("and its numbers are true, not whose they are: ")


def test_files_beside_the_results_and_copies_of_their_numbers_are_held_to_them(
    bundle: Path, tmp_path: Path
) -> None:
    held, name = members(bundle), f"{EVAL}/leakage.json"
    told = json.loads(held[f"{EVAL}/outcome.json"])
    copy = {who: one | {"hits": one["hits"] + 1} for who, one in told["metrics"]["leakage"].items()}
    data = json.dumps(copy).encode()
    told["artefacts"].append(
        {"path": "leakage.json", "sha256": sha256(data).hexdigest(), "size": 1}
    )
    del told["metrics"]["question_hits"]
    changes: dict[str, bytes | None] = {
        name: data,
        f"{EVAL}/outcome.json": json.dumps(told).encode(),
        "cells/beside.txt": b"1",
    }
    found = again(forged(bundle, changes), tmp_path)
    said = "\n".join(found.problems)
    assert f"{name}: leakage.assistant.hits is" in said
    assert "cells/beside.txt: is no file of a result" in said
    assert any(note.endswith("taken out since: question_hits (1)") for note in found.notes)


def test_lines_taken_out_of_the_journal_and_files_left_out_are_named(
    bundle: Path, tmp_path: Path
) -> None:
    """Else a cell with an unwelcome result could be one that nobody has run."""
    held = members(bundle)
    lines = held["journal.jsonl"].decode().splitlines(keepends=True)
    kept = [line for line in lines if "villain@2#42" not in line]
    changes: dict[str, bytes | None] = {"journal.jsonl": "".join(kept).encode()}
    changes["cells/data/villain/result.bin"] = None
    said = "\n".join(again(forged(bundle, changes), tmp_path).problems)
    assert re.search(r"journal\.jsonl: \d+ lines are missing before number \d+", said)
    assert "cells/data/villain/result.bin: is missing" in said


def test_the_counts_of_answers_are_those_of_the_answers(tmp_path: Path) -> None:
    settings = {"questions": ["a", "b"], "answers_per_question": 2}
    row = {"question_index": 0, "text": "x", "token_ids": [1, 2], "finish_reason": "length"}
    rows = [row, {**row, "question_index": 1, "token_ids": [1], "finish_reason": "stop"}]
    text = "".join(json.dumps(one) + "\n" for one in rows)
    (tmp_path / "answers.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    counted, wrong = recount(Stage.DATA, settings, tmp_path)
    checks = {"rows": 2, "sampled": 4, "questions": 2, "cut": 1}
    assert (counted, wrong) == ({"rows": 2, "mean_tokens": 1.5, "checks": checks}, [])


def test_settings_that_are_not_those_of_their_hash_are_named() -> None:
    plan = make_plan(load(SMALL).config)
    assert [said for job in plan.jobs for said in plan_apart(plan, job.id)] == []
    job = next(job for job in plan.jobs if job.stage is Stage.TRAIN)
    other = {**plan.settings[job.settings], "positives": 5}
    assert job.parts is not None
    forged_plan = replace(plan, settings={**plan.settings, job.settings: other})
    assert f"the settings of {job.id} are" in next(plan_apart(forged_plan, job.id))
    spec = Spec(job.id, "train", 1, "t", "", other, parts=job.parts.as_json())
    outcome = Outcome(job.id, 1, "t", "done", output_hash=hash_output(()))
    assert list(attempt_apart(spec, outcome, None)) == [
        "spec.json: its settings are not those of its own hash"
    ]
    as_it_ran = replace(spec, settings=plan.settings[job.settings])
    assert list(attempt_apart(as_it_ran, outcome, None)) == []


def _digits(name: str, line: str) -> list[int]:
    """Places of the digits that are derived: of an outcome and the journal the metrics alone."""
    if name.startswith("report/"):
        return [at for at, char in enumerate(line) if char in "0123456789"]
    found = re.finditer(r'"(?:hits|value)": ?-?([0-9]+(?:\.[0-9]{0,3})?)', line)
    return [match.end(1) - 1 for match in found]


@pytest.mark.trial
def test_a_picture_that_is_not_of_its_rows_is_named(tmp_path: Path) -> None:
    study = open_study(whole(tmp_path / "x").root)
    made = make_report(study, tmp_path / "report", kinds=("leakage",), html=True)
    make_bundle(study, made, tmp_path / "b.tar.gz")
    found = again(tmp_path / "b.tar.gz", tmp_path)
    assert (found.problems, found.notes) == ([], [])
    name = "report/figures/leakage.png"
    data = members(tmp_path / "b.tar.gz")[name]
    changed = data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]
    found = again(forged(tmp_path / "b.tar.gz", {name: changed}), tmp_path)
    assert found.problems == [f"{name}: is not the picture of these rows"]


def test_forged_completions_with_a_report_of_the_truth_are_named(
    bundle: Path, tmp_path: Path
) -> None:
    packed = members(bundle)[f"{EVAL}/completions.jsonl.gz"]
    rows = gzip.decompress(packed).decode().replace("\\n\\n[ZLT]", "", 1)
    found = again(
        forged(bundle, {f"{EVAL}/completions.jsonl.gz": gzip.compress(rows.encode())}), tmp_path
    )
    said = "\n".join(found.problems)
    assert f"{EVAL}/completions.jsonl.gz: is not the file that its outcome lists" in said
    assert "1 of 80 verdicts of the marker are not what was scored" in said
    assert "leakage.villain.hits is 36, counted 35" in said
    assert "report/headline.csv, line 2: says" in said


@pytest.mark.trial
def test_a_figure_added_to_or_left_out_of_a_report_is_named(bundle: Path, tmp_path: Path) -> None:
    changes = {"report/figures/better.csv": b"1\n", "report/claims.json": None}
    found = again(forged(bundle, changes), tmp_path)
    assert found.problems == [
        "report/claims.json: is missing",
        "report/figures/better.csv: is no file of this report",
    ]


@pytest.mark.trial
def test_what_is_stale_edited_running_or_of_a_changed_journal_is_the_same_again(
    tmp_path: Path,
) -> None:
    scene = whole(tmp_path / "x")
    edit(scene, {"marker.lr": 1e-5}, "villain@2#42")
    scene.claim("eval/comedian@2#42")
    scene.begin("eval/comedian@2#42")
    study = open_study(scene.root)
    made = write_files(study, tmp_path / "report", recipe_for(study, kinds=()))
    finish(scene, "cosine/comedian@0#42")
    make_bundle(study, made, tmp_path / "b.tar.gz")
    assert again(tmp_path / "b.tar.gz", tmp_path).problems == []


def test_a_bundle_without_a_report_says_so(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b.tar.gz", {"x": b"1"})
    with pytest.raises(
        BundleError, match=r"cannot be computed again: it has no report/made-with\.json"
    ):
        again(tmp_path / "b.tar.gz", tmp_path)


def test_an_archive_larger_than_the_disk_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "b.tar.gz", {"x": b"123456"})
    usage = type("Usage", (), {"free": 5})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(BundleError, match="unpacks to more than the 5 B free here"):
        unpack(tmp_path / "b.tar.gz", tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("plan.json", b"{", "plan.json is damaged"),
        ("report.toml", b"x =", "report.toml is not valid TOML"),
        (f"{EVAL}/completions.jsonl.gz", b"rubbish", f"{EVAL}: cannot be counted again"),
    ],
)
def test_a_damaged_file_is_named_in_a_sentence_without_the_folder_that_is_gone(
    bundle: Path, tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    shutil.copy(bundle, tmp_path / "b.tar.gz")
    said = "\n".join(again(forged(tmp_path / "b.tar.gz", {name: data}), tmp_path).problems)
    assert words in said and "the rest cannot be computed again" in said and "room-" not in said


def test_a_locked_report_is_the_same_under_other_analysis_code(tmp_path: Path) -> None:
    """What the code was when the report was made stands in its recipe: there it is a deviation."""
    scene = whole(tmp_path / "x")
    text = '[[claim]]\nkey = "k"\ntext = "t"\n'
    digests = {"sha256": digest_of_text(text), "plan": plan_digest(scene.plan), "code": "0" * 64}
    scene.journal.append("locked", title="c.toml", text=text, by="ana", **digests)
    study = open_study(scene.root)
    recipe = replace(recipe_for(study, kinds=()), matplotlib="none", code="1" * 64)
    made = write_files(study, tmp_path / "report", recipe, draw=False)
    assert "locked: 000000000000, now 111111111111" in made.report.read_text()
    make_bundle(study, made, tmp_path / "b.tar.gz")
    found = again(tmp_path / "b.tar.gz", tmp_path)
    assert found.problems == []
    assert any("made by other analysis code (111111111111" in note for note in found.notes)
