"""``tuilab import``: a table of one's own results becomes a read-only experiment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import out
from tuilab.cli.resolve import run_directory
from tuilab.grid.text import count_of
from tuilab.report.import_results import PERCENT_HINT, ImportRefusedError, read_table, write_results
from tuilab.science.design import design_of
from tuilab.store.program_name import program, quoted


def import_table(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="A tidy table of results.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the experiment.")],
    unit: Annotated[
        str, typer.Option("--unit", metavar="UNIT", help="rate (0 to 1) or percent.")
    ] = "rate",
    target: Annotated[
        str, typer.Option("--target", metavar="PERSONA", help="Persona that the trait leaks to.")
    ] = "assistant",
) -> int:
    """Make a read-only experiment from a table: source, epoch, metric, and value or hits and n.

    Optional columns: seed, persona, layer, pool, model_state, status, reason, edits. If the file
    has problems, all are listed by line and nothing is written.

    \b
    tuilab import results.csv --name mine --unit percent
    """
    if unit not in ("rate", "percent"):
        raise RefusalError(f"--unit {unit}: use rate (0 to 1) or percent", USAGE)
    if not name.strip():
        raise RefusalError("--name is empty: give the experiment a name", USAGE)
    path = Path(file).expanduser()
    try:
        table = read_table(path, unit, target)
    except ImportRefusedError as error:
        hint = "\n  --unit percent reads rates of 0 to 100" * (PERCENT_HINT in str(error))
        raise RefusalError(f"{error}{hint}") from error
    design = replace(
        design_of(table.frame, target=target, sources=table.sources, name=name),
        seed_given=table.seed_given,
    )
    root = write_results(
        run_directory(name, None), table.frame, design, {"imported_from": path.name}
    )
    missing = int(table.frame["value"].isna().sum())
    absent = f", {count_of(missing, 'value')} missing (n/a)" if missing else ""
    out(f"{root}: {count_of(len(table.frame), 'row')} of {count_of(len(design.sources), 'source')}")
    out(f"read-only{absent}; `{program()} open {quoted(root)}`, `{program()} table {quoted(root)}`")
    return OK
