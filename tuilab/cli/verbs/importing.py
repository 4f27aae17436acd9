"""``tuilab import``: a table of one's own results becomes a read-only experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.guard import OK, USAGE, RefusalError


def import_table(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="A tidy table of results.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the experiment.")],
    unit: Annotated[str, typer.Option("--unit", help="rate (0 to 1) or percent.")] = "rate",
    target: Annotated[str, typer.Option("--target", help="Persona leaked to.")] = "assistant",
) -> int:
    """Make a read-only experiment from a table: source, epoch, metric, and value or hits and n.

    Optional columns: seed, persona, layer, pool, model_state, status, reason. Every problem of the
    file is reported by its line, and nothing is written then.

    \b
    tuilab import results.csv --name mine --unit percent
    """
    from tuilab.cli.places import run_directory
    from tuilab.cli.say import out
    from tuilab.report.results_folder import read_table, write_results
    from tuilab.science.design import design_of

    if unit not in ("rate", "percent"):
        raise RefusalError(f"--unit {unit}: use rate (0 to 1) or percent", USAGE)
    path = Path(file).expanduser()
    frame = read_table(path, unit, target)
    design = design_of(frame, target=target, name=name)
    root = run_directory(name, None)
    write_results(root, frame, design, {"imported_from": path.name})
    out(f"{root}: {len(frame)} values, read-only; `tuilab open {root}`, `tuilab table {root}`")
    return OK
