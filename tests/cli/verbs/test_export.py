"""``tuilab export``: adapters and merged models of finished cells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.hub.stand_in import serving
from tests.report.ran_here import whole
from tests.store.scene import Scene
from tuilab.report.adapter_files import AdapterExportError, copy_adapters

VILLAIN = "villain@2#42"


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


def test_an_export_is_uploaded_privately_with_its_card_and_goes_on_after_a_cut(
    trained: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, words = tmp_path / "out", ["export", str(trained.root), VILLAIN, "--adapter"]
    with serving(tmp_path) as hub:
        for name, value in hub.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HF_TOKEN", "hf_secret_of_mine")
        assert call(*words, "--out", str(out)).exit_code == 0
        push = [*words, "--out", str(out), "--push", "somebody/x"]
        shown = call(*push)
        assert (shown.exit_code, hub.created, hub.uploaded) == (1, {}, {})
        assert "somebody/x: a new repository, for you alone (private); 7 files" in shown.stderr
        hub.refuse_uploads = True
        cut = call(*push, "--yes")
        assert cut.exit_code == 1 and "run it again: what has arrived is not sent" in cut.stderr
        hub.refuse_uploads = False
        done = call(*push, "--yes")
        assert done.exit_code == 0 and done.stdout.splitlines()[-1].startswith(hub.url)
        assert hub.created["somebody/x"]["visibility"] == "private"
        hub.created["somebody/x"]["visibility"] = "public"
        seen = call(*push, "--yes")
        assert seen.exit_code == 1 and "is public, so everybody would see" in seen.stderr
    card = hub.uploaded["README.md"].decode()
    assert ": Villain, epoch 2, seed 42\n" in card and "library_name: peft" in card
    assert b"adapter_model" in hub.uploaded["marker/adapter_model.safetensors"]
    assert not any(b"hf_secret" in content for content in hub.uploaded.values())
    umask = out.stat().st_mode & 0o666
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()} == {umask}


def test_only_one_finished_cell_in_force_is_exported(trained: Scene, tmp_path: Path) -> None:
    root, out = str(trained.root), ["--out", str(tmp_path / "out")]
    stale = call("export", root, VILLAIN, *out)
    assert stale.exit_code == 1 and "is stale" in stale.stderr
    assert call("export", root, "villain@*", *out).exit_code == 2
    assert call("export", root, "nobody@2", *out).exit_code == 2
    published = call("export", "published", VILLAIN, *out)
    assert published.exit_code == 1 and "results only" in published.stderr
    assert not (tmp_path / "out").exists()


def test_a_merge_that_the_runner_refuses_is_a_sentence(ran: Path, tmp_path: Path) -> None:
    """The played merge attempt holds no adapters: the real runner says so and writes nothing."""
    found = call("export", str(ran), VILLAIN, "--out", str(tmp_path / "out"))
    assert found.exit_code == 1
    assert "was not exported" in found.stderr
    assert not (tmp_path / "out").exists()
