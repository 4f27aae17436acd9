"""What one person wants of tuilab, whatever the experiment: the schema of their config file.

No result depends on it. Docstrings below an entry are what ``tuilab config show`` and the reference
say of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

from tuilab.grid.config_block import Block, Text
from tuilab.grid.metrics import HEADLINE, METRICS, metric_named
from tuilab.grid.notices import NOTICE_KINDS, NoticeKind


class Setting(Block):
    """A table of the file, each entry with its meaning."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Notify(Setting):
    """Who is told when something needs you; `tuilab notify --test` tries it."""

    on: tuple[NoticeKind, ...] = NOTICE_KINDS
    """Which events: done (or all that could run), failed (the first of a run), stalled, paused
    (a full disk, workers that do not start), gone (the engine died)."""
    bell: bool = True
    """Ring the bell of a terminal that shows the experiment."""
    desktop: bool = True
    """Desktop notification through that terminal (OSC 9 and OSC 777), also over SSH."""
    command: tuple[Text, ...] = ()
    """Program that the engine runs; {title} and {text} are filled in:
    ["notify-send", "{title}", "{text}"]."""
    webhook: Annotated[Text | None, Field(examples=["$SLACK_WEBHOOK"])] = None
    """Address that the engine posts JSON to (Slack, Discord, Mattermost, your own); $NAME is read
    from the environment."""
    apprise: tuple[Text, ...] = ()
    """Apprise addresses, such as "ntfy://topic"; needs `pip install 'tuilab[notify]'`."""
    timeout_seconds: Annotated[float, Field(gt=0.0, le=120.0)] = 10.0
    """After so long a command or an address is given up."""


class Price(Setting):
    """What the machine costs."""

    gpu_hour: Annotated[float | None, Field(gt=0.0, examples=[2.49])] = None
    """Price of one GPU for one hour; plan, header and report then say the cost."""
    currency: Text = "$"
    """Sign or word before the amount."""


class UserConfig(Setting):
    """The whole file."""

    theme: Annotated[Text | None, Field(examples=["gruvbox"])] = None
    """Colours: dark, light, ansi16, nord, gruvbox, catppuccin-mocha, catppuccin-latte or
    solarized-light. Without it, the last one chosen in the app."""
    glyphs: Literal["auto", "unicode", "ascii"] = "auto"
    """Signs on the screen; auto looks at the terminal's encoding."""
    metric: Text = HEADLINE
    """The number that the grid shows first."""
    keys: dict[Text, Text] = Field(default_factory=dict)
    """Other keys, by the name of the action: "grid.relaunch" = "ctrl+r". Several are separated by
    commas; `tuilab config keys` lists the names."""
    commands: dict[Text, Text] = Field(default_factory=dict)
    """Commands of your own in the palette, by what they are called: "my jobs" = "squeue --me".
    {dir} stands for the experiment's folder and {cell} for the cell under the cursor. A key is
    "commands.my jobs" = "f5" below [keys]."""
    places: dict[Text, dict[str, Any]] = Field(default_factory=dict)
    """Options of this site's places, for `run --on slurm` or `executor`: [places.slurm] holds what
    [resources.slurm] of a config may; what a config says goes before it."""
    notify: Notify = Notify()
    price: Price = Price()

    @field_validator("metric")
    @classmethod
    def _is_known(cls, text: str) -> str:
        return metric_named(text, list(METRICS))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the file, for show, edit and the reference."""

    table: str
    """"" for the entries above all tables."""
    name: str
    default: Any
    meaning: str
    example: Any = None
    """What could be written where there is no default."""


def entries(model: type[BaseModel] = UserConfig, table: str = "") -> Iterator[Entry]:
    """Yield every entry of the schema, those of the top first, then table by table."""
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner.append((name, field.annotation))
        elif _is_table(field):
            inner_default = field.get_default(call_default_factory=True)
            yield Entry(name, "", inner_default, _one_line(field.description))
        else:
            example = (field.examples or [field.default])[0]
            yield Entry(table, name, field.default, _one_line(field.description), example)
    for name, annotation in inner:
        yield from entries(annotation, name)


def about_table(name: str) -> str:
    """Say what a table is for; "" for one whose only entry says it."""
    annotation = UserConfig.model_fields[name].annotation
    if isinstance(annotation, type) and issubclass(annotation, Setting):
        return _one_line(annotation.__doc__)
    return ""


def as_toml(config: UserConfig) -> Iterator[str]:
    """Yield the file with every entry and its meaning; what has its default is a comment."""
    table = ""
    for entry in entries():
        if entry.table != table:
            table = entry.table
            about = about_table(table)
            yield from ("", *_comment(about), f"[{table}]")
        yield from _comment(entry.meaning)
        holder: Any = getattr(config, entry.table) if entry.table else config
        value = getattr(holder, entry.name) if entry.name else holder
        if not entry.name:
            for key, one in value.items():
                if isinstance(one, Mapping):
                    yield f"[{table}.{json.dumps(key)}]"
                    yield from (f"{name} = {_written(inner)}" for name, inner in one.items())
                else:
                    yield f"{json.dumps(key)} = {_written(one)}"
        elif value == entry.default:
            yield f"# {entry.name} = {_written(entry.example)}"
        else:
            yield f"{entry.name} = {_written(value)}"


def _comment(text: str) -> list[str]:
    """Write a text as lines of comment; a word to copy, such as solarized-light, stays whole."""
    return [f"# {line}" for line in wrap(text, 96, break_on_hyphens=False)]


def as_markdown() -> str:
    """Write the reference: every entry with its default and meaning."""
    lines = ["| entry | default | meaning |", "|---|---|---|"]
    for entry in entries():
        name = ".".join(filter(None, (entry.table, entry.name)))
        default = "not set" if entry.default is None else f"`{_written(entry.default)}`"
        lines.append(f"| `{name}` | {default} | {entry.meaning} |")
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    """Write a value as TOML does."""
    return json.dumps(value, ensure_ascii=False)


def _is_table(field: FieldInfo) -> bool:
    return isinstance(field.get_default(call_default_factory=True), dict)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
