"""A person's themes and keys: what can be had holds everywhere, what cannot is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES
from textual.widgets import Input

from tests.tui.conftest import app_of, look, press, text_of
from tuilab.store.user_files import config_file, remembered
from tuilab.tui.more_themes import NAMES, READABLE, contrast, palette_of
from tuilab.tui.preferences import (
    Preferences,
    command_keys,
    keymap,
    named_keys,
    read_preferences,
    why_no_theme,
)
from tuilab.tui.screens.help import HelpScreen
from tuilab.tui.themes import PALETTES, TEXTUAL_THEMES


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    config_file().parent.mkdir(parents=True)
    return config_file()


OURS = {theme.name: (theme, PALETTES[theme.name]) for theme in TEXTUAL_THEMES if not theme.ansi}
EVERY = OURS | {name: (BUILTIN_THEMES[name], palette_of(BUILTIN_THEMES[name])) for name in NAMES}


@pytest.mark.parametrize("name", EVERY)
def test_what_is_read_is_readable_in_every_theme_on_every_ground(name: str) -> None:
    theme, palette = EVERY[name]
    plain = (Color.parse(theme.background), Color.parse(theme.surface or theme.background))
    for role in palette.roles:
        if role == "rule" or role.endswith("-ground"):
            continue
        for modifier in ("", " here ground", " marked"):
            style = palette.style(role + modifier)
            if style.color is None or (style.bgcolor and role.startswith(("value", "sign"))):
                continue  # test_value_colour.py has those
            grounds = [Color.from_rich_color(style.bgcolor)] if style.bgcolor else plain
            for under in grounds:
                found = contrast(Color.from_rich_color(style.color), under)
                assert found >= READABLE - 0.05, (role + modifier, found)


def test_a_chosen_row_is_of_one_piece_in_16_colours() -> None:
    palette = PALETTES["ansi16"]
    roles = [role for role in palette.roles if role != "match" and not role.endswith("-ground")]
    looks = {palette.style(f"{role} here ground") for role in roles}
    assert looks == {Style(reverse=True, bold=True)}


def test_a_theme_that_is_not_there_is_named_with_the_nearest() -> None:
    assert why_no_theme("nrod") == "unknown theme 'nrod' (did you mean nord?)"
    assert not why_no_theme("solarized-light")


def test_a_key_that_is_taken_names_who_has_it_and_a_swap_is_none() -> None:
    chosen, problems = keymap({"grid.relaunch": "x", "grid.stop": "ctrl+x", "grid.mark": "r"})
    assert problems == [] and chosen["grid.mark"] == "r"
    chosen, problems = keymap({"grid.relaunch": "x", "cell.stop": "X"})
    assert chosen == {"cell.stop": "X"}
    [said] = problems
    assert "grid.stop" in said and "stop the cell or all marked cells" in said
    _, problems = keymap({"grid.mark": "p"})
    assert "go to the plots" in problems[0]
    _, problems = keymap({"grid.relanch": "z"})
    assert problems == ["keys: unknown action 'grid.relanch' (did you mean grid.relaunch?)"]


def test_a_key_of_the_app_holds_on_the_grid_which_names_it_too() -> None:
    chosen, problems = keymap({"app.go('plots')": "f2"})
    assert not problems
    assert chosen == {"app.go('plots')": "f2", "grid.app.go('plots')": "f2"}


def test_the_default_keys_of_every_action_clash_with_none() -> None:
    _, problems = keymap({name: one.key for name, one in named_keys().items()})
    assert problems == []


async def test_another_key_works_and_bar_and_help_show_it(experiment: Path) -> None:
    chosen, _ = keymap({"grid.mark": "ctrl+t", "app.go('plots')": "f2"})
    app = app_of(experiment, preferences=Preferences(keymap=chosen))
    async with app.run_test(size=(100, 30)) as pilot:
        await look(pilot)
        assert "ctrl+t mark" in text_of(app) and "f2 plots" in text_of(app)
        await pilot.press("space")
        assert not app.screen.grid.marked  # type: ignore[attr-defined]
        await pilot.press("ctrl+t")
        assert app.screen.grid.marked  # type: ignore[attr-defined]
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        rows = {row.meaning: row.keys for row in app.screen._table}
        assert rows["mark the cell"] == "ctrl+t" and rows["go to the plots"] == "f2"


async def test_a_bad_file_opens_the_app_and_one_sentence_says_so(
    config: Path, experiment: Path
) -> None:
    config.write_text('theme = "nrod"\nmetric = "cosine"\nkyes = 3\n')
    mine = read_preferences()
    app = app_of(experiment, preferences=mine)
    async with app.run_test(size=(140, 30)) as pilot:
        await look(pilot)
        assert "kyes: unknown key (did you mean keys?) (and 1 more)" in app.screen.said  # type: ignore[attr-defined]
        assert app.screen.view.metric == "cosine"  # type: ignore[attr-defined]


async def test_the_theme_that_was_chosen_is_remembered(experiment: Path) -> None:
    app = app_of(experiment, preferences=Preferences(theme="light"))
    async with app.run_test(size=(100, 30)) as pilot:
        await look(pilot)
        app.choose_theme("nord")
        await pilot.pause()
        assert remembered("theme") == "nord"
        assert app.palette.name == "nord"
        assert "decides the next start" in app.screen.said  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", EVERY)
async def test_what_a_field_asks_for_is_readable_in_every_theme(
    experiment: Path, name: str
) -> None:
    async with app_of(experiment, theme=name).run_test(size=(80, 24)) as pilot:
        await look(pilot)
        await press(pilot, "n")
        field = pilot.app.screen.query_one("#form-tags", Input)
        ink = field.get_component_styles("input--placeholder").color
        assert contrast(ink, field.background_colors[1]) >= READABLE - 0.05
        assert field.styles.text_style.underline


async def test_a_command_of_ones_own_has_a_key_that_help_shows(experiment: Path) -> None:
    commands = {"my jobs": "squeue --me", "size": "du {dir}"}
    wanted = {"commands.my jobs": "f5", "commands.size": "x", "commands.sizes": "f6"}
    found, problems = command_keys(wanted, commands, {})
    assert found == {"my jobs": "f5"}
    taken, unknown = problems
    assert taken.startswith("keys: commands.size = 'x': is ") and "stop already" in taken
    assert "there is no command 'sizes' (did you mean size?)" in unknown
    own = Preferences(commands=commands, command_keys=found)
    async with app_of(experiment, preferences=own).run_test(size=(100, 30)) as pilot:
        await look(pilot)
        await press(pilot, "f5")
        assert "type it in a shell: squeue --me" in text_of(pilot.app), "a test has no terminal"
        await press(pilot, "question_mark", "slash", *"my jobs", "enter")
        shown = text_of(pilot.app)
        assert "f5" in shown and "run: my jobs" in shown
