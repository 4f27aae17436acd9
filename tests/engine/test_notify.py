"""A real engine tells people, once each, and is hurt by nothing that does not answer."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.engine.trials import DEADLINE, Trial, make_plan

SECRET = "B0TT0K3N"


def configured(folder: Path, text: str) -> dict[str, str]:
    """Write a person's config and return the environment in which it is found."""
    (folder / "tuilab").mkdir(parents=True)
    (folder / "tuilab" / "config.toml").write_text(text)
    return {"XDG_CONFIG_HOME": str(folder)}


def told(grid: Trial) -> list[str]:
    return [line["verb"] for line in grid.lines("notified")]


def test_failure_and_end_are_told_by_a_command_and_a_dead_webhook_is_only_noted(
    trial, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    env = configured(
        tmp_path / "config",
        f"""[notify]
command = ["sh", "-c", "echo \\"$1\\" >> {said}", "sh", "{{title}}"]
webhook = "http://127.0.0.1:1/{SECRET}"
""",
    )
    grid = trial(make_plan(("villain",), (0,)))
    grid.script(**{"eval/villain@0#42": {"do": "fail", "reason": "gpu-oom"}})
    grid.ask("run")
    assert grid.run("--go", **env) == 0
    assert told(grid) == ["failed", "done"]
    lines = said.read_text().splitlines()
    endings = sorted(line.partition(": ")[2] for line in lines)  # each is sent by its own process
    assert endings == ["finished, not complete", "first failure"]

    notes = [line["text"] for line in grid.lines("note")]
    assert "notice not sent: webhook 127.0.0.1: cannot be reached: Connection refused" in notes
    kept = [path for path in grid.layout.root.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in kept)


def test_an_engine_killed_between_journal_and_sending_is_followed_by_one_that_repeats_nothing(
    trial, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    env = configured(tmp_path / "config", f'[notify]\ncommand = ["sh", "-c", "echo x >> {said}"]\n')
    grid = trial(make_plan(("villain",), (0,)))
    grid.ask("run", jobs=("data/villain",))
    killed = grid.start("--go", crash_at="notice-after-journal", **env)
    assert killed.wait(DEADLINE) == -signal.SIGKILL
    assert told(grid) == ["done"] and not said.exists()
    assert grid.run("--go", **env) == 0
    assert told(grid) == ["done", "gone"]
