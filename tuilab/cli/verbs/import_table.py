"""``tuilab import``: a table of one's own results becomes a read-only experiment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import out, tell
from tuilab.cli.resolve import run_directory, text_of
from tuilab.grid.metrics import KINDS
from tuilab.grid.text import count_of
from tuilab.report import declared_card
from tuilab.report.import_results import PERCENT_HINT, ImportRefusedError, read_table, write_results
from tuilab.report.table_layouts import COSINE_EXAMPLES, EXAMPLES, WIDE_EXAMPLES, imported_names
from tuilab.science.design import design_of
from tuilab.store.program_name import program, quoted

if TYPE_CHECKING:
    import pandas as pd


_UNITS = ("rate", "percent")
_FILE = (
    f"A table of results; what it may measure: {', '.join(imported_names())}, and measures of a "
    f"config by their names ({'.x, '.join(KINDS)}.x)."
)


def import_table(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help=_FILE)],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the experiment.")],
    unit: Annotated[
        str,
        typer.Option(
            "--unit",
            metavar="UNIT",
            help="rate (0 to 1) or percent.",
            autocompletion=complete.one_of(lambda: _UNITS),
        ),
    ] = "rate",
    target: Annotated[
        str, typer.Option("--target", metavar="PERSONA", help="Persona that the trait leaks to.")
    ] = "assistant",
    baseline: Annotated[
        int | None,
        typer.Option(
            "--baseline", metavar="EPOCH", help="Epoch that stands for a missing epoch 0."
        ),
    ] = None,
    card: Annotated[
        str | None,
        typer.Option("--card", metavar="FILE.toml", help="Fields of the run card: name = text."),
    ] = None,
) -> int:
    """Make a read-only experiment from a table: source, epoch, metric, and value or hits and n.

    Optional columns: seed, persona, layer, pool, model_state, status, reason, edits. Metrics may be
    columns too (source, epoch, leakage, source_rate, cosine, ...), and so may epochs or sources of
    leakage. Separators: comma, semicolon, tab; percent signs are read. If the file has problems,
    all are listed by line and nothing is written.

    \b
    tuilab import results.csv --name mine --unit percent
    tuilab import wide.csv --name mine --baseline 2 --card run.toml
    """
    if unit not in _UNITS:
        raise RefusalError(f"--unit {unit}: use rate (0 to 1) or percent", USAGE)
    if not name.strip():
        raise RefusalError("--name is empty: give the experiment a name", USAGE)
    path = Path(file).expanduser()
    try:
        table = read_table(path, unit, target)
    except ImportRefusedError as error:
        hint = "\n  --unit percent reads rates of 0 to 100" * (PERCENT_HINT in str(error))
        example = _example(str(error)) if path.is_file() else ""
        raise RefusalError(f"{error}{hint}{example}") from error
    told: dict[str, object] = {"imported_from": path.name, **_declared(card)}
    epochs = sorted({int(epoch) for epoch in table.frame["epoch"]})
    if baseline is not None:
        table = replace(table, frame=_from_baseline(table.frame, baseline))
        fact = f"epoch 0 here is epoch {baseline} of the table: the untouched base was not measured"
        told["facts"] = [fact]
    design = replace(
        design_of(table.frame, target=target, sources=table.sources, name=name),
        seed_given=table.seed_given,
    )
    root = write_results(run_directory(name, None), table.frame, design, told)
    missing = int(table.frame["value"].isna().sum())
    absent = f", {count_of(missing, 'value')} missing (n/a)" if missing else ""
    out(f"{root}: {count_of(len(table.frame), 'row')} of {count_of(len(design.sources), 'source')}")
    out(f"read-only{absent}; `{program()} open {quoted(root)}`, `{program()} table {quoted(root)}`")
    if 0 not in epochs and baseline is None:
        first = f"--baseline {epochs[0]} lets epoch {epochs[0]} stand for it"
        tell(f"the table has no epoch 0 to compare with: {first}")
    return OK


def _example(why: str) -> str:
    rows = "".join(f"\n    {row}" for row in EXAMPLES)
    others = COSINE_EXAMPLES if "cosine needs" in why else WIDE_EXAMPLES
    wides = "".join(f"\n    {row}" for row in others)
    return f"\n  This would work:{rows}\n  and so would:{wides}"


def _from_baseline(frame: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Let an epoch stand as epoch 0; RefusalError where there is one, or none to stand for it."""
    if (frame["epoch"] == 0).any():
        raise RefusalError("the table has an epoch 0: leave out --baseline", USAGE)
    if not (frame["epoch"] == epoch).any():
        raise RefusalError(f"--baseline {epoch}: the table has no such epoch", USAGE)
    if (frame["epoch"] < epoch).any():
        raise RefusalError(f"--baseline {epoch}: the table has earlier epochs", USAGE)
    return frame.assign(epoch=frame["epoch"].mask(frame["epoch"] == epoch, 0))


def _declared(card: str | None) -> dict[str, dict[str, str]]:
    """Read fields of the run card; the report says of each that it is declared and not verified."""
    if card is None:
        return {}
    try:
        return declared_card.parse(text_of(card)).record
    except declared_card.CardFileError as error:
        raise RefusalError(f"{card}: {error}", USAGE) from error
