"""What all screens share: palette, leaving, sizes, foreign text, trouble with files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from tests.tui.conftest import app_of, look, press, settle, text_of, until
from tuilab.tui.screens.grid import GridScreen

SIZE = (80, 24)


async def test_the_palette_runs_a_command_by_name(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        for key, metric in (("colon", "source_rate"), ("ctrl+p", "max_bystander")):
            await pilot.press(key)
            await settle(pilot)
            pilot.app.screen.query_one(Input).value = "next metric"
            await pilot.pause(0.3)
            await press(pilot, "enter")
            assert screen.view.metric == metric


async def test_ctrl_c_leaves_at_the_second_time(experiment: Path) -> None:
    app = app_of(experiment)
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "ctrl+c")
        assert "Ctrl+C again to leave; running work continues" in text_of(app)
        await pilot.press("ctrl+c")
        await pilot.pause()
    assert app.return_code == 0


SIZES = [(20, 5), (39, 12), (40, 11), (40, 12), (80, 24), (120, 30), (200, 60), (300, 100), (1, 1)]


async def test_no_size_breaks_a_screen_and_tiny_ones_say_so(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        for opening in ("1", "3", "4", "enter", "question_mark"):
            await press(pilot, opening)
            for width, height in SIZES:
                await pilot.resize_terminal(width, height)
                if width >= 20:
                    is_small = width < 40 or height < 12
                    await until(pilot, lambda: ("needs 40x12" in text_of(pilot.app)) is is_small)  # noqa: B023
                    shown = text_of(pilot.app).strip()
                    assert not is_small or opening == "question_mark" or "\n" not in shown, shown
            await pilot.resize_terminal(*SIZE)
            await settle(pilot)


async def test_foreign_text_does_no_harm_on_any_screen(copy_of: Callable[[str], Path]) -> None:
    async with app_of(copy_of("hostile")).run_test(size=SIZE) as pilot:
        await look(pilot)
        for opening in ("1", "enter", "tab", "tab", "tab", "tab", "escape", "u", "5"):
            await press(pilot, opening)
            shown = text_of(pilot.app)
            assert not {"\x1b", "\x07", "\u202e", "\r"} & set(shown)
            assert "hf_abcdefghijkl" not in shown
        await press(pilot, "1", "w")
        shown = text_of(pilot.app)
        assert "[red][bold]evil[rank0]:" in shown or "evil" in shown
        await press(pilot, "r")
        assert not {"\x1b", "\x07", "\u202e"} & set(text_of(pilot.app))


async def test_another_experiments_snapshot_is_not_taken(experiment: Path) -> None:
    from dataclasses import replace

    from tuilab.tui.poller import SnapshotTaken

    app = app_of(experiment)
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        assert app.snapshot is not None
        app.post_message(SnapshotTaken(replace(app.snapshot, root=Path("/elsewhere"), name="x")))
        await pilot.pause()
        assert app.snapshot.name == "small"


async def test_trouble_with_the_files_is_told_and_goes_by(experiment: Path) -> None:
    from tuilab.store.reader import Reader

    troubles = [OSError(5, "Input/output error [/x]")]

    class Troubled(Reader):
        def poll(self, now: float) -> Any:
            if troubles:
                raise troubles.pop()
            return super().poll(now)

    app = app_of(experiment, source=Troubled)
    async with app.run_test(size=SIZE) as pilot:
        app.look()
        await pilot.pause()
        assert "Input/output error [/x]" in text_of(app)
        await look(pilot)
        assert "3/6" in text_of(app) and "its files can be read again" in text_of(app)


def test_an_unknown_theme_is_refused_with_the_known_ones(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tuilab.tui import run

    assert run(experiment, theme="nope") == 2
    assert "dark, light, ansi16" in capsys.readouterr().err
    assert run(experiment, theme="solarised") == 2
    assert "did you mean solarized-light?" in capsys.readouterr().err


async def test_what_the_header_has_no_room_for_is_said_at_the_start(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("small")
    plan = root / "plan.json"
    plan.write_text(plan.read_text().replace('"sources_digest": "', '"sources_digest": "other'))
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        shown = text_of(pilot.app)
        assert "code changed" in shown
        assert "has changed since this grid was planned" in " ".join(shown.split())
        assert "$ tuilab run" in shown
    (root / "journal.jsonl").write_bytes(b"no line\n" + (root / "journal.jsonl").read_bytes())
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "2 unreadable" in text_of(pilot.app)
        assert "journal.jsonl is cut or missing" in text_of(pilot.app), "what, not only how much"
