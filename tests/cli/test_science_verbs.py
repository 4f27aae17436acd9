"""The verbs that read results: table, claims, plot, report, verify, import, export, bench."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.report.ran_here import whole
from tests.store.scene import Scene
from tuilab.cli.errors import RefusalError
from tuilab.cli.verbs.bench import as_json_document
from tuilab.report.adapter_files import AdapterExportError, copy_adapters

CLAIM = '[[claim]]\nkey = "v"\nsays = "Villain rises"\nkind = "rises"\nsources = ["villain"]\n'
VILLAIN = "villain@2#42"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("ran") / "x").root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "verb", ["claims", "compare", "plot", "report", "verify", "import", "export", "bench"]
)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    found = call(verb, "-h")
    assert found.exit_code == 0
    assert f"tuilab {verb}" in found.stdout


def test_published_is_known_from_any_folder(here: Path) -> None:
    table = call("table", "published", "--format", "json")
    assert table.exit_code == 0
    rows = {row["source"]: row for row in json.loads(table.stdout)["rows"]}
    assert rows["villain"]["peak_epoch"] == 10
    assert rows["nurse"]["cosine"] is None
    plot = call("plot", "published", "cosine", "--ascii")
    assert plot.exit_code == 0 and "No cosine (n/a): Nurse" in plot.stdout


def test_a_kind_alone_is_drawn_of_the_newest_experiment(
    ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran)
    assert "cosine" in call("plot", "cosine").stdout.splitlines()[0].lower()
    assert call("queue").exit_code == 0
    assert call("plot", "cosmic").exit_code == 2


def test_a_plot_as_json_holds_the_rows_that_are_drawn(here: Path) -> None:
    found = json.loads(call("plot", "published", "cosine", "--json").stdout)
    assert (found["kind"], found["files"]) == ("cosine", [])
    ends = {row["source"]: row["y"] for row in found["rows"] if row["x"] == 0}
    assert ends["villain"] == -0.355
    assert "nurse" not in ends, "it has no cosine: the note says so"
    assert "Nurse" in found["note"]


def test_an_unknown_format_kind_or_experiment_is_a_usage_error(here: Path) -> None:
    assert call("table", "published", "--format", "pdf").exit_code == 2
    assert call("plot", "published", "pie").exit_code == 2
    assert call("table", "nowhere").exit_code == 2


def test_two_experiments_are_compared(here: Path, ran: Path) -> None:
    same = json.loads(call("compare", "published", "published", "--json").stdout)
    assert (same["measured_in_both"], same["beyond_chance"]) == (77, 0)
    other = call("compare", "published", str(ran))
    assert other.exit_code == 0 and "minus published: assistant leakage" in other.stdout
    assert "published has no record of settings" in other.stdout
    assert same["settings"]["unrecorded"] == ["published"]
    wrong = call("compare", "published", str(ran), "--metric", "cosin")
    assert wrong.exit_code == 2 and "did you mean cosine?" in wrong.stderr
    assert call("compare", "published", "nowhere").exit_code == 2


def test_the_cards_own_claims_are_judged_and_its_wrong_ones_do_not_hold(here: Path) -> None:
    found = json.loads(call("claims", "published", "eps109", "--json").stdout)["claims"]
    verdicts = {one["claim"]: one["verdict"] for one in found}
    wrong = ("transient peak", "All six cosines", "for all sources", "identical cosine", "Nurse")
    for words in wrong:
        [verdict] = [verdict for claim, verdict in verdicts.items() if words in claim]
        assert verdict != "holds", words


def test_claims_of_a_file_are_judged(here: Path, ran: Path) -> None:
    (here / "claims.toml").write_text(CLAIM)
    found = call("claims", str(ran), "claims.toml", "--json")
    assert found.exit_code == 0
    assert [one["verdict"] for one in json.loads(found.stdout)["claims"]] == ["holds"]


@pytest.mark.parametrize(
    "content", [None, b"x = [", b"\xff\xfe", b"", b'[[claim]]\nkind = "flies"\n']
)
def test_a_claims_file_that_cannot_be_used_is_a_usage_error(
    here: Path, ran: Path, content: bytes | None
) -> None:
    if content is not None:
        (here / "claims.toml").write_bytes(content)
    found = call("claims", str(ran), "claims.toml")
    assert found.exit_code == 2
    assert "claims.toml" in found.stderr and "Traceback" not in found.stderr


def test_import_then_table_claims_and_plot(here: Path) -> None:
    (here / "t.csv").write_text(
        "source,epoch,metric,hits,n\nvillain,2,leakage,60,100\nvillain,0,leakage,1,100\n"
    )
    made = call("import", "t.csv", "--name", "my results")
    assert made.exit_code == 0, made.stderr
    root = made.stdout.split(":")[0]
    assert (here / root / "design.json").is_file()
    assert "59.0 pp" in call("table", root).stdout
    assert "not measured" in call("claims", root).stdout
    assert call("plot", root).exit_code == 0
    again = call("import", "t.csv", "--name", "my results")
    assert again.exit_code == 1 and "choose another --name" in again.stderr


def test_an_import_that_is_refused_writes_nothing(here: Path) -> None:
    (here / "t.csv").write_text("source,epoch,metric,value\nvillain,0,leakage,45\n")
    found = call("import", "t.csv", "--name", "mine")
    assert found.exit_code == 1
    assert "line 2, value" in found.stderr and "--unit percent" in found.stderr
    assert call("import", "t.csv", "--name", "mine", "--unit", "parts").exit_code == 2
    assert call("import", "t.csv", "--name", " ").exit_code == 2
    assert not (here / "runs").exists()


def test_report_bundle_and_verify(here: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilab.science.figures.prepare.KINDS", ("leakage",))  # drawing is slow
    found = call("report", str(ran), "--out", "r", "--bundle", "--strict", "--json")
    told = json.loads(found.stdout)
    assert found.exit_code == 1
    assert told["empty"] == ["Convergence LoRA: Steps", "Marker LoRA: Steps"]
    assert "Steps" in found.stderr
    assert Path(told["report"]).is_file()
    assert call("verify", told["bundle"]).exit_code == 0
    whole_bundle = Path(told["bundle"]).read_bytes()
    Path("cut.tar.gz").write_bytes(whole_bundle[: len(whole_bundle) // 2])
    cut = call("verify", "cut.tar.gz")
    assert cut.exit_code == 1 and "cut.tar.gz" in cut.stderr
    assert call("verify", "none.tar.gz").exit_code == 2


@pytest.fixture
def trained(tmp_path: Path) -> Scene:
    """Villain's last cell with adapters on disk and in the record."""
    scene = whole(tmp_path / "x")
    for job, folder in (("converge/villain#42", "epoch-02"), ("train/villain@2#42", "adapter")):
        directory = scene.claim(job)
        files = [directory / folder / "adapter_config.json"]
        files.append(directory / folder / "adapter_model.safetensors")
        files[0].parent.mkdir()
        for path in files:
            path.write_text(f"{path.name} of {job}")
        scene.begin(job)
        outcome = scene.outcome(job, files=files)
        scene.settle(job, **scene.told_by(outcome))
    spec = scene.directory("train/villain@2#42") / "spec.json"
    told = json.loads(spec.read_text())
    told["epoch"] = 2
    told["inputs"] = [
        {
            "job": "converge/villain#42",
            "path": "../../../../../converge/villain/seed-42/attempt-2",
            "output_hash": "x",
        }
    ]
    spec.write_text(json.dumps(told))
    return scene


def test_adapters_are_exported_as_trained_without_torch(trained: Scene, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = call("export", str(trained.root), VILLAIN, "--out", str(out), "--adapter", "--json")
    assert found.exit_code == 0, found.stderr
    assert "marker/adapter_model.safetensors" in json.loads(found.stdout)["files"]
    for name, job in (("marker", "train/villain@2#42"), ("convergence", "converge/villain#42")):
        text = (out / name / "adapter_model.safetensors").read_text()
        assert text == f"adapter_model.safetensors of {job}"
    again = call("export", str(trained.root), VILLAIN, "--out", str(out), "--adapter")
    assert again.exit_code == 2 and "exists" in again.stderr


def test_an_adapter_that_changed_on_disk_is_not_exported(trained: Scene, tmp_path: Path) -> None:
    attempt = trained.directory("train/villain@2#42")
    (attempt / "adapter" / "adapter_model.safetensors").write_text("other")
    with pytest.raises(AdapterExportError, match="is not the file that was recorded"):
        copy_adapters(attempt, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x"]


def test_only_one_finished_cell_in_force_is_exported(trained: Scene, tmp_path: Path) -> None:
    root, out = str(trained.root), ["--out", str(tmp_path / "out")]
    stale = call("export", root, VILLAIN, *out)
    assert stale.exit_code == 1 and "is stale" in stale.stderr
    assert call("export", root, "villain@*", *out).exit_code == 2
    assert call("export", root, "nobody@2", *out).exit_code == 2
    published = call("export", "published", VILLAIN, *out)
    assert published.exit_code == 1 and "results only" in published.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_merge_that_the_runner_refuses_is_a_sentence(ran: Path, tmp_path: Path) -> None:
    """The played merge attempt holds no adapters: the real runner says so and writes nothing."""
    found = call("export", str(ran), VILLAIN, "--out", str(tmp_path / "out"))
    assert found.exit_code == 1
    assert "was not exported" in found.stderr
    assert not (tmp_path / "out").exists()


def test_bench_refuses_two_models() -> None:
    found = call("bench", "--tiny", "--random-weights")
    assert found.exit_code == 2 and "choose one" in found.stderr


@pytest.mark.parametrize(("exit_code", "writes"), [(0, True), (1, True), (3, False)])
def test_bench_prints_what_was_measured_as_the_one_document(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    exit_code: int,
    writes: bool,
) -> None:
    """A program in the place of the measuring one, so that no torch is loaded here."""
    write = "Path(sys.argv[-1]).write_text('{\"results\": {}}')" if writes else "pass"
    program = f"import sys\nfrom pathlib import Path\nprint('a table')\n{write}\n"
    (tmp_path / "measuring.py").write_text(f"{program}raise SystemExit({exit_code})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if not writes:
        with pytest.raises(RefusalError, match="measured nothing") as caught:
            as_json_document(["--tiny"], "measuring")
        assert caught.value.code == exit_code
        return
    assert as_json_document(["--tiny"], "measuring") == exit_code
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"results": {}}
    assert printed.err == "a table\n"


@pytest.mark.parametrize(
    "words", [["run"], ["plan"], ["stop"], ["relaunch", "villain@2"], ["logs", "villain@2"]]
)
def test_what_acts_on_jobs_says_that_results_have_none(words: list[str]) -> None:
    found = call(words[0], "published", *words[1:])
    assert (found.exit_code, found.stdout) == (1, "")
    assert "published has results only" in found.stderr
