"""``tuilab plot``: a prepared figure in the terminal, or as PNG, PDF and its rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import document, has_colour, out
from tuilab.cli.resolve import find_experiment, is_place, output_folder
from tuilab.cli.verbs.arguments import AsJson, Layer, ModelState, OptionalDir
from tuilab.science.figures.kinds import KINDS
from tuilab.science.figures.model import Figure
from tuilab.study.study import Study, open_study
from tuilab.tui.present.figures.look import Look
from tuilab.tui.present.figures.plot import figure_lines
from tuilab.tui.present.glyphs import to_ascii

Kind = Annotated[
    str | None,
    typer.Argument(
        metavar="KIND",
        help="leakage (the default), cosine, leakage-cosine, cosine-peak, grouped, baseline-peak, "
        "heatmap, or difference (of arms and axes).",
        autocompletion=complete.one_of(lambda: KINDS),
    ),
]
Out = Annotated[
    str | None,
    typer.Option("--out", metavar="FOLDER", help="Write KIND.png, KIND.pdf and KIND.csv there."),
]
AsciiGlyphs = Annotated[bool, typer.Option("--ascii", help="Draw with ASCII glyphs.")]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="SOURCE",
        help="Heatmap of one source, by epoch.",
        autocompletion=complete.sources,
    ),
]
Intervals = Annotated[bool, typer.Option("--intervals", help="Draw 95% intervals.")]


def plot(
    directory: OptionalDir = None,
    kind: Kind = None,
    out_folder: Out = None,
    ascii_glyphs: AsciiGlyphs = False,
    intervals: Intervals = False,
    source: Source = None,
    layer: Layer = None,
    state: ModelState = None,
    as_json: AsJson = False,
) -> int:
    """Draw one figure. Missing values are gaps; suspect, stale and edited points are marked.

    \b
    tuilab plot runs/tiny leakage
    tuilab plot grouped                    # of the newest experiment here
    tuilab plot runs/tiny heatmap --json   # the rows drawn
    tuilab plot published cosine-peak --out figures
    """
    if kind is None and directory in KINDS and not is_place(directory):
        directory, kind = None, directory
    kind = kind or KINDS[0]
    if source is not None and kind != "heatmap":
        raise RefusalError(
            "--source needs the heatmap: `tuilab plot DIR heatmap --source SOURCE`", USAGE
        )
    study = open_study(find_experiment(directory), layer, state)
    try:
        prepared = study.figure(kind, source)
    except ValueError as error:
        raise RefusalError(str(error), USAGE) from error
    made: list[Path] = []
    if out_folder is not None:
        from tuilab.report.figure_files import save_figure

        made = save_figure(prepared, output_folder(out_folder))
    if as_json:
        _print_rows(study, prepared, made)
    elif made:
        for path in made:
            out(str(path))
    else:
        _draw(prepared, Look(is_ascii=ascii_glyphs, with_intervals=intervals))
    return OK


def _print_rows(study: Study, figure: Figure, made: list[Path]) -> None:
    rows = figure.rows.astype(object).where(figure.rows.notna(), None)
    document(
        {
            "experiment": study.name,
            "kind": figure.kind,
            "title": figure.title,
            "note": figure.note,
            "synthetic": study.snapshot.synthetic,
            "files": [str(path) for path in made],
            "rows": rows.to_dict("records"),
        }
    )


def _draw(figure: Figure, look: Look) -> None:
    def tell(text: str) -> None:
        out(to_ascii(text) if look.is_ascii else text)

    size = shutil.get_terminal_size()
    tell(figure.title)
    for line in figure_lines(figure, size.columns, max(size.lines - 4, 12), look, has_colour()):
        tell(line)
    tell(figure.note)
