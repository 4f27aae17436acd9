"""``tuilab plot``: a prepared figure in the terminal, or as PNG, PDF and its rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.guard import OK, USAGE, RefusalError
from tuilab.cli.verbs.arguments import OptionalDir

Kind = Annotated[
    str,
    typer.Argument(
        metavar="[KIND]",
        help="leakage, leakage-cosine, cosine, cosine-peak, grouped, baseline-peak or heatmap.",
    ),
]
Out = Annotated[
    str | None,
    typer.Option("--out", metavar="FOLDER", help="Write KIND.png, KIND.pdf and KIND.csv there."),
]
AsciiGlyphs = Annotated[bool, typer.Option("--ascii", help="Draw with ASCII glyphs.")]
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="SOURCE", help="Heatmap of one source, by epoch."),
]
Intervals = Annotated[bool, typer.Option("--intervals", help="Draw 95% intervals.")]


def plot(
    directory: OptionalDir = None,
    kind: Kind = "leakage",
    out_folder: Out = None,
    ascii_glyphs: AsciiGlyphs = False,
    intervals: Intervals = False,
    source: Source = None,
) -> int:
    """Draw one figure; missing values are gaps, suspect and stale points are marked.

    \b
    tuilab plot runs/tiny leakage
    tuilab plot published cosine-peak --out figures
    """
    from tuilab.cli.places import find_experiment
    from tuilab.cli.say import has_colour, out
    from tuilab.science.figures_data import figure
    from tuilab.study.opening import open_study

    if source is not None and kind != "heatmap":
        raise RefusalError("--source belongs to the heatmap: tuilab plot DIR heatmap", USAGE)
    study = open_study(find_experiment(directory))
    try:
        if source is not None:
            from tuilab.science.figure_source_heatmap import source_heatmap

            prepared = source_heatmap(study.analysis, source)
        else:
            prepared = figure(kind, study.analysis)
    except ValueError as error:
        raise RefusalError(str(error), USAGE) from error
    if out_folder is not None:
        from tuilab.report.figure_image import save_figure
        from tuilab.study.figure_origin import with_origin

        for path in save_figure(with_origin(prepared, study), Path(out_folder).expanduser()):
            out(str(path))
        return OK
    from tuilab.tui.present.figure_ansi import figure_lines
    from tuilab.tui.present.figure_look import Look

    size = shutil.get_terminal_size()
    look = Look(is_ascii=ascii_glyphs, with_intervals=intervals)
    out(prepared.title)
    rows = max(size.lines - 4, 12)
    for line in figure_lines(prepared, size.columns, rows, look, has_colour()):
        out(line)
    out(prepared.note)
    if study.snapshot.synthetic:
        out("synthetic model: says nothing about real models")
    return OK
