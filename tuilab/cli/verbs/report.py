"""``tuilab report``: the report folder, and the bundle of everything behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import ERROR, OK
from tuilab.cli.output import document, out, plain, tell
from tuilab.cli.resolve import find_experiment, output_folder
from tuilab.cli.verbs.arguments import AsJson, OptionalDir
from tuilab.grid.text import count_of
from tuilab.report.bundle import make_bundle
from tuilab.report.folder import make_report
from tuilab.store.layout import slug
from tuilab.study.study import open_study

Out = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR", help="Folder to write; report-NAME by default."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 when a run card field is empty.")]
Bundle = Annotated[
    bool, typer.Option("--bundle", help="Also archive everything behind the report.")
]
Html = Annotated[
    bool, typer.Option("--html", help="Also one page to share: report.html, complete in itself.")
]
SampleSeed = Annotated[
    int, typer.Option("--seed", metavar="N", help="Seed for drawing the sample outputs.")
]


def report(
    directory: OptionalDir = None,
    out_dir: Out = None,
    strict: Strict = False,
    bundle: Bundle = False,
    html: Html = False,
    seed: SampleSeed = 0,
    as_json: AsJson = False,
) -> int:
    """Write report.md with figures, tables and claims, from what was run.

    \b
    tuilab report runs/tiny --out report --bundle
    tuilab report published --out card
    tuilab report runs/tiny --html           # report.html: figures, tables, every completion
    """
    study = open_study(find_experiment(directory))
    folder = output_folder(out_dir) if out_dir else Path(f"report-{slug(study.name)}")
    made = make_report(study, folder, seed, html=html)
    archive = folder.with_name(f"{folder.name}.tar.gz") if bundle else None
    sha256 = make_bundle(study, made, archive) if archive else None
    if as_json:
        document(
            {
                "report": str(made.report),
                "files": [str(path) for path in made.files],
                "empty": list(made.empty),
                "bundle": str(archive) if archive else None,
                "sha256": sha256,
            }
        )
    else:
        out(f"{made.report} and {count_of(len(made.files) - 1, 'file')} next to it")
        if archive:
            out(f"{archive}  sha256 {sha256}")
    if made.empty:
        tell(f"run card: {count_of(len(made.empty), 'field')} empty")
        for line in made.empty_lines:
            tell(f"  {plain(line)}")
    return ERROR if strict and made.empty else OK
