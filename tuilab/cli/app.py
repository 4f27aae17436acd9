"""The parser: imports typer, and of the verbs only the one that is called."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tuilab import __version__
from tuilab.cli import complete
from tuilab.cli.errors import USAGE, guarded, report
from tuilab.cli.output import tell
from tuilab.cli.screen import ASKED_LOOK, Look
from tuilab.cli.verbs import VERBS
from tuilab.cli.verbs.arguments import Ascii, ReadOnly, Theme

Host = Annotated[
    str, typer.Option("--host", metavar="HOST[:DIR]", help="Run the command there, over ssh.")
]
"""Is here for the help and for completion: ``host.py`` sees to it before anything is parsed."""
ONLY_SHOW = frozenset({"open", "published"})
"""Verbs that open the screen and start nothing."""


class Verbs(TyperGroup):
    """Lists the verbs from their table; a verb's module is imported when the verb is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, line) in VERBS.items():
            self.add_command(TyperCommand(name, short_help=line, hidden=not line))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb's name, the verb itself and the words after it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and command else None, rest


@cache
def load(name: str) -> Any:
    """Import a verb of the table and return its command."""
    module, _, function = VERBS[name][0].partition(":")
    verb = getattr(import_module(f"tuilab.cli.verbs.{module}"), function)
    if not gc.isenabled():  # as ``main`` began
        gc.freeze()
        gc.enable()
    if not isinstance(verb, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(guarded(verb))
        verb = alone
    return _without_types(typer.main.get_command(verb))


def _without_types(command: Any) -> Any:
    """Leave ``<str>`` out of the help: ``DIR <str>`` says no more than ``DIR``."""
    for one in (command, *getattr(command, "commands", {}).values()):
        for parameter in one.params:
            if parameter.param_type_name == "argument":
                parameter.display_type_rich = lambda ctx: ""
    return command


app = typer.Typer(
    name="tuilab",
    cls=Verbs,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def bare(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    read_only: ReadOnly = False,
    ascii_glyphs: Ascii = False,
    theme: Theme = None,
    host: Host = "",
) -> None:
    """Run, watch and relaunch grids of LoRA experiments.

    Without a command: open the experiment here, or list them if there are several.

    \b
    tuilab demo                        # the tiny grid on this machine, from nothing
    tuilab plan eps109                 # what the published grid would take
    tuilab run tiny --headless         # run and print progress
    tuilab relaunch runs/tiny --failed
    tuilab --host pod:tuilab status    # any verb on another machine, over ssh
    """
    if version:
        typer.echo(f"tuilab {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        screen = import_module("tuilab.cli.verbs.open")
        raise typer.Exit(screen.open_here(read_only, ascii_glyphs, theme))
    if read_only and context.invoked_subcommand not in ONLY_SHOW:  # the verb may start work
        tell(
            "--read-only has no effect on this command. It is for one that opens the screen: "
            "`tuilab open DIR --read-only`"
        )
        raise typer.Exit(USAGE)
    ASKED_LOOK.set(Look(read_only, ascii_glyphs, theme))


def run(words: Sequence[str]) -> int:
    """Run the app on some words and return its exit code; nothing gets past as a traceback."""
    try:
        if complete.ASKED in os.environ:
            complete.answer_shell(lambda: app(args=[], prog_name="tuilab"), os.environ)
        else:
            app(args=list(words), prog_name="tuilab")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        return report(error)
    return 0
