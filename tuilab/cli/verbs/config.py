"""``tuilab config``: the person's own config: what it says, where it is, and an editor for it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import typer

from tuilab.cli.errors import OK, USAGE, RefusalError, guarded
from tuilab.cli.output import document, is_interactive, out, plain, tell
from tuilab.cli.verbs.arguments import AsJson
from tuilab.contract import atomic
from tuilab.engine.places import why_no_place
from tuilab.grid.text import padded
from tuilab.grid.user_config import UserConfig, as_toml
from tuilab.store.program_name import program
from tuilab.store.user_files import config_file, editor, load_user_config

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="""Your own settings, in ~/.config/tuilab/config.toml: theme, keys, notifications, price.

    No result depends on them. Without the file everything has its default.

    \b
    tuilab config show
    tuilab config edit
    """,
)


def show(as_json: AsJson = False) -> int:
    """Print every setting with its meaning. Exits 2 if something in the file is wrong."""
    from tuilab.tui.preferences import read_preferences

    path, loaded = config_file(), load_user_config()
    problems = [*read_preferences().problems, *_strange_places(loaded.config)]
    if as_json:
        document(
            {
                "path": str(path),
                "exists": path.exists(),
                "settings": loaded.config.model_dump(mode="json"),
                "problems": problems,
            }
        )
    else:
        missing = "" if path.exists() else f" (not there yet; `{program()} config edit` makes it)"
        out(f"# {path}{missing}")
        for line in as_toml(loaded.config):
            out(plain(line))
    return _tell(problems)


def _tell(problems: Sequence[str]) -> int:
    for problem in problems:
        tell(plain(f"{config_file()}: {problem}"))
    return USAGE if problems else OK


def _strange_places(config: UserConfig) -> list[str]:
    asked = (
        (name, why_no_place({"places": {name: of}}, name)) for name, of in config.places.items()
    )
    return [f"places.{name}: {why}" for name, why in asked if why]


def edit() -> int:
    """Open the file in $VISUAL or $EDITOR; a new one holds every setting as a comment."""
    from tuilab.tui.preferences import read_preferences

    path = config_file()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, ("\n".join(as_toml(UserConfig())) + "\n").encode())
    if not is_interactive():
        out(str(path))
        return OK
    command = [*editor(), str(path)]
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError as error:
        raise RefusalError(f"{command[0]}: {error.strerror}: set $EDITOR, or edit {path}") from None
    if code:
        raise RefusalError(f"{command[0]} ended with exit code {code}; {path} is as it left it")
    return _tell(read_preferences().problems)


def path() -> int:
    """Print where the file is, or would be."""
    out(str(config_file()))
    return OK


def keys(as_json: AsJson = False) -> int:
    """List the actions whose key can be changed, by the name to use under [keys]."""
    from tuilab.tui.preferences import named_keys, read_preferences
    from tuilab.tui.present.key_table import key_names

    mine = read_preferences().keymap
    rows = [
        (name, mine.get(name, binding.key), binding.tooltip)
        for name, binding in named_keys().items()
    ]
    if as_json:
        document(
            {"keys": [dict(zip(("name", "keys", "meaning"), row, strict=True)) for row in rows]}
        )
        return OK
    for name, chosen, meaning in rows:
        out(f"{padded(name, 28)} {padded(key_names(chosen), 16)} {meaning}")
    return OK


for verb in (show, edit, path, keys):
    app.command()(guarded(verb))
