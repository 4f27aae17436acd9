"""Fixtures of the screen tests: experiments on disk, an app that looks when told to."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.copies import own_copy

os.environ["TEXTUAL_ANIMATIONS"] = "none"

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from tests.tui import examples
from tests.tui.building import LATER
from tests.tui.terminal import ROOT
from tuilab.tui.app import TuilabApp
from tuilab.tui.screens.analysis_screen import AnalysisScreen


async def _let_others_run(*_: float) -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _a_known_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody who was greeted before, in UTC, standing in an empty directory."""
    state = tmp_path / "state"
    (state / "tuilab").mkdir(parents=True)
    (state / "tuilab" / "greeted").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    # Textual's tests wait until the processor idles, which on a busy machine takes a second a key;
    # ``settle`` waits for the messages instead.
    monkeypatch.setattr("textual.app.wait_for_idle", _let_others_run)
    monkeypatch.setattr("textual.pilot.wait_for_idle", _let_others_run)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session", autouse=True)
def _style_sheets_are_parsed_once() -> Iterator[None]:
    """Every app parses the same sheets, some of them five times: a tenth of what a test takes."""
    parse: Callable[..., list[RuleSet]] = Stylesheet._parse_rules
    kept: dict[Any, list[RuleSet]] = {}

    def parsed(sheet: Stylesheet, *words: Any, **named: Any) -> list[RuleSet]:
        key = (frozenset(sheet._variables.items()), words, *named.items())
        if key not in kept:
            kept[key] = parse(sheet, *words, **named)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parsed)
        yield


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Each example is built once; tests get copies."""
    folder = tmp_path_factory.mktemp("originals")

    def original(name: str) -> Path:
        root = folder / name
        if not root.exists():
            made = getattr(examples, name)(root)
            if name == "half_way":
                examples.with_files(examples.stale_row(made))
        return root

    return original


@pytest.fixture
def copy_of(tmp_path: Path, originals: Callable[[str], Path]) -> Callable[[str], Path]:
    """Return a private copy of an example below ``runs/`` of the current directory."""

    def copy(name: str) -> Path:
        return own_copy(originals(name), tmp_path / "runs" / name)

    return copy


@pytest.fixture
def experiment(copy_of: Callable[[str], Path]) -> Path:
    """Two sources by three epochs, with one failed, one running and one queued cell."""
    return copy_of("small")


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    """An experiment of the shipped tiny config, so that edits can be judged by its schema."""
    from tuilab.store.replan import plan_with, read_config

    loaded = read_config(ROOT / "configs" / "tiny.toml")
    root = tmp_path / "runs" / "tiny"
    from tuilab.store.experiment import create_experiment

    create_experiment(root, loaded.text, plan_with(loaded.config))
    return root


def app_of(root: Path | None, **options: Any) -> TuilabApp:
    return TuilabApp(root, poll_seconds=None, now=LATER, **options)


async def look(pilot: Pilot[Any]) -> None:
    """Let the app look at the disk once and show what it found (the log follows the cursor)."""
    app = pilot.app
    assert isinstance(app, TuilabApp)
    for _ in range(2):
        app.look()
        await pilot.pause()
    is_done = False
    while not is_done:
        with suppress(WorkerCancelled):  # one replaced another meanwhile
            await app.workers.wait_for_complete()
            is_done = True
        await pilot.pause()


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until every message has been dealt with, and paint."""
    for _ in range(2):
        await pilot.pause()


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Wait until something holds; the deadline is generous because machines are busy."""
    deadline = time.monotonic() + 60.0
    while not holds():
        assert time.monotonic() < deadline, text_of(pilot.app)  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        await settle(pilot)


async def numbers_shown(pilot: Pilot[Any]) -> None:
    """Wait until the plots or the table show what was asked for: keys would act on the old one."""

    def is_settled() -> bool:
        screen = pilot.app.screen
        return not (isinstance(screen, AnalysisScreen) and screen.is_busy)

    if not is_settled():
        await until(pilot, is_settled)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys one after the other, then let the app look at the disk."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
        await numbers_shown(pilot)
    await look(pilot)
    await numbers_shown(pilot)


def requests_of(root: Path) -> list[dict[str, Any]]:
    """The wishes that lie in an experiment, oldest first."""
    return [json.loads(path.read_text()) for path in sorted((root / "requests").glob("*.json"))]


def text_of(app: TuilabApp) -> str:
    height = app.size.height
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips[:height])
