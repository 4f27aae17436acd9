"""Puts the verbs together; imports typer and the verbs' signatures, nothing they need to work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from tuilab import __version__
from tuilab.cli.errors import USAGE, RefusalError, guarded, report
from tuilab.cli.verbs.bench import bench
from tuilab.cli.verbs.claims import claims
from tuilab.cli.verbs.compare import compare
from tuilab.cli.verbs.control import pause, resume, stop
from tuilab.cli.verbs.demo import demo
from tuilab.cli.verbs.doctor import doctor
from tuilab.cli.verbs.engine_start import engine_start
from tuilab.cli.verbs.export import export
from tuilab.cli.verbs.gc import gc
from tuilab.cli.verbs.import_table import import_table
from tuilab.cli.verbs.logs import logs
from tuilab.cli.verbs.open import Ascii, ReadOnly, Theme, open_experiment, open_here
from tuilab.cli.verbs.plan import plan
from tuilab.cli.verbs.plot import plot
from tuilab.cli.verbs.published import published
from tuilab.cli.verbs.queue import queue
from tuilab.cli.verbs.relaunch import relaunch
from tuilab.cli.verbs.report import report as report_verb
from tuilab.cli.verbs.report import verify
from tuilab.cli.verbs.run import run as run_verb
from tuilab.cli.verbs.status import status
from tuilab.cli.verbs.table import table
from tuilab.cli.verbs.track import track

app = typer.Typer(
    name="tuilab",
    help="Run, watch and relaunch grids of LoRA experiments.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for verb, name in (
    (demo, "demo"),
    (open_experiment, "open"),
    (plan, "plan"),
    (run_verb, "run"),
    (status, "status"),
    (logs, "logs"),
    (relaunch, "relaunch"),
    (stop, "stop"),
    (pause, "pause"),
    (resume, "resume"),
    (queue, "queue"),
    (table, "table"),
    (plot, "plot"),
    (claims, "claims"),
    (compare, "compare"),
    (report_verb, "report"),
    (verify, "verify"),
    (published, "published"),
    (import_table, "import"),
    (export, "export"),
    (bench, "bench"),
    (doctor, "doctor"),
    (gc, "gc"),
):
    app.command(name)(guarded(verb))
app.add_typer(track, name="track")
app.command("engine-start", hidden=True)(guarded(engine_start))


@app.callback(invoke_without_command=True)
def bare(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    read_only: ReadOnly = False,
    ascii_glyphs: Ascii = False,
    theme: Theme = None,
) -> None:
    """Run, watch and relaunch grids of LoRA experiments.

    Without a command: open the experiment here, or the list of several.

    \b
    tuilab demo                        the tiny grid on this machine, from nothing
    tuilab plan eps109                 what the published grid would take
    tuilab run tiny --headless         run and print progress
    tuilab relaunch runs/tiny --failed
    """
    if version:
        typer.echo(f"tuilab {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        guarded(open_here)(read_only, ascii_glyphs, theme)
    given = {"--read-only": read_only, "--ascii": ascii_glyphs, "--theme": theme is not None}
    if options := [option for option, is_given in given.items() if is_given]:
        guarded(_refuse_before_a_verb)(options)


def _refuse_before_a_verb(options: Sequence[str]) -> None:
    """Refuse options of the screen before a verb: passed over, --read-only would start work."""
    raise RefusalError(
        f"{' '.join(options)} would not act before a command: put it behind one that takes it, "
        f"as in `tuilab open DIR {options[0]}`",
        USAGE,
    )


def run(words: Sequence[str]) -> int:
    """Run the app on some words and return its exit code; nothing gets past as a traceback."""
    try:
        app(args=list(words), prog_name="tuilab")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        import os

        from tuilab.cli.errors import DEBUG_VARIABLE

        if os.environ.get(DEBUG_VARIABLE):
            raise
        return report(error)
    return 0
