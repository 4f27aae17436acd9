"""Fits a person's config to the app: which theme, which keys, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType

from tuilab.grid.metrics import HEADLINE
from tuilab.grid.notices import NOTICE_KINDS
from tuilab.grid.text import nearest
from tuilab.store.user_files import config_file, gpu_price, load_user_config
from tuilab.tui import keys, more_themes
from tuilab.tui.themes import ANSI16, DARK, LIGHT

if TYPE_CHECKING:
    from tuilab.grid.limits import Price

THEME = "theme"
"""Under this name the theme that was chosen in the app is remembered."""
THEMES = (DARK, LIGHT, ANSI16, *more_themes.NAMES)


@dataclass(frozen=True, slots=True)
class Preferences:
    """A person's config as the app uses it."""

    theme: str | None = None
    is_ascii: bool = False
    metric: str = HEADLINE
    keymap: Mapping[str, str] = field(default_factory=dict)
    """Keys by the id of their binding."""
    bell: bool = True
    desktop: bool = True
    """Whether the terminal is told of notices."""
    notices: Collection[str] = NOTICE_KINDS
    """Kinds that the terminal tells of."""
    price: Price | None = None
    commands: Mapping[str, str] = field(default_factory=dict)
    """The person's own, by what they are called."""
    command_keys: Mapping[str, str] = field(default_factory=dict)
    """Keys of some of them, by what they are called."""
    problems: Sequence[str] = ()
    """What is wrong with the file, in sentences."""

    @property
    def trouble(self) -> str:
        """What to say of the file on opening; "" when all is well."""
        if not self.problems:
            return ""
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return f"{config_file().name}: {self.problems[0]}{more}; `tuilab config show` says all"


NO_PREFERENCES = Preferences()


def read_preferences() -> Preferences:
    """Read the person's config; an entry that cannot be has its default, and is named."""
    if not config_file().exists():
        return NO_PREFERENCES
    loaded = load_user_config()
    config = loaded.config
    chosen, clashes = keymap({name: key for name, key in config.keys.items() if not _own(name)})
    mine, wrong = command_keys(config.keys, config.commands, chosen)
    problems = [f"{one.field}: {one.message}" for one in loaded.problems]
    theme = config.theme
    if theme and (why := why_no_theme(theme)):
        problems.append(f"theme: {why}")
        theme = None
    return Preferences(
        theme=theme,
        is_ascii=config.glyphs == "ascii",
        metric=config.metric,
        keymap=chosen,
        bell=config.notify.bell,
        desktop=config.notify.desktop,
        notices=config.notify.on,
        price=gpu_price(),
        commands=config.commands,
        command_keys=mine,
        problems=(*problems, *clashes, *wrong),
    )


def why_no_theme(name: str) -> str:
    """Say that there is no such theme; "" where there is one."""
    if name in THEMES:
        return ""
    return f"unknown theme {name!r}{nearest(name, THEMES) or ': use ' + ', '.join(THEMES)}"


def named_keys() -> dict[str, Binding]:
    """Return every action that can have another key, by its name."""
    lists = (*keys.SCREENS.values(), *keys.DIALOGS.values())
    found = {one.id: one for group in lists for one in group if isinstance(one, Binding) and one.id}
    # The grid names some keys of the whole app for its key bar: they are the app's.
    return {name: one for name, one in found.items() if "." not in one.action.partition("(")[0]}


def keymap(wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return keys by the id of their binding, and a sentence for each that cannot be had.

    A key that is taken on a screen of the action is refused and names who has it, unless that one
    moves away as well.
    """
    known = named_keys()
    found: dict[str, str] = {}
    problems = []
    for name, chosen in wanted.items():
        if name not in known:
            problems.append(f"keys: unknown action {name!r}{nearest(name, known)}")
        else:
            found[name] = ",".join(word.strip() for word in chosen.split(",") if word.strip())
    for name in list(found):
        if clash := _clash(name, found):
            problems.append(f"keys: {name} = {found[name]!r}: {clash}")
            del found[name]
    return _everywhere(found), problems


_OWN = "commands."


def _own(name: str) -> str:
    """Return the command that an entry of the keys is about; "" for an action of ours."""
    return name.removeprefix(_OWN) if name.startswith(_OWN) else ""


def command_keys(
    wanted: Mapping[str, str], commands: Mapping[str, str], chosen: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the key of each command of one's own that has one, and a sentence for each refused.

    ``chosen`` are the person's other keys of our actions, by their name.
    """
    keys_of = {name: chosen.get(name, one.key) for name, one in named_keys().items()}
    taken = {key: name for name, held in keys_of.items() for key in held.split(",")}
    found, problems = {}, []
    for name, key in wanted.items():
        if (command := _own(name)) and command not in commands:
            near = nearest(command, commands)
            problems.append(f"keys: {name}: there is no command {command!r}{near}")
        elif command and key in taken:
            problems.append(f"keys: {name} = {key!r}: is {taken[key]} already")
        elif command:
            found[command] = key
            taken[key] = name
    return found, problems


def _clash(name: str, chosen: Mapping[str, str]) -> str:
    """Say which other action of a screen has a key already."""
    if not chosen[name]:
        return "is empty"
    for screen, bindings in {**keys.SCREENS, **keys.DIALOGS}.items():
        group = {one.id or "": one for one in _bindings((*bindings, *_of_app(screen)))}
        if name not in group:
            continue
        for other, binding in group.items():
            if other == name or binding.action == group[name].action or _is_app_key(binding, name):
                continue
            theirs = chosen.get(other, binding.key).split(",")
            if taken := [key for key in chosen[name].split(",") if key in theirs]:
                return f"{taken[0]} is {other} there: {binding.tooltip}"
    return ""


def _of_app(screen: str) -> list[BindingType]:
    return [] if screen == "app" or screen in keys.DIALOGS else keys.APP


def _is_app_key(binding: Binding, name: str) -> bool:
    """The grid's own mention of an app's key is that key."""
    return binding.action == f"app.{name.partition('.')[2]}"


def _everywhere(chosen: Mapping[str, str]) -> dict[str, str]:
    """Let a key of the app also hold where a screen names it for its key bar."""
    found = dict(chosen)
    for group in (*keys.SCREENS.values(), *keys.DIALOGS.values()):
        for one in _bindings(group):
            if one.id and one.action.startswith("app.") and (key := chosen.get(one.action)):
                found[one.id] = key
    return found


def _bindings(group: Iterable[BindingType]) -> Iterator[Binding]:
    return (one for one in group if isinstance(one, Binding))
