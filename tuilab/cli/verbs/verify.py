"""``tuilab verify``: whether a bundle is what its maker wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.output import document, out, plain
from tuilab.cli.verbs.arguments import AsJson
from tuilab.report.bundle import verify_bundle


def verify(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A .tar.gz made by report.")],
    as_json: AsJson = False,
) -> int:
    """Check that a bundle is complete and unchanged.

    \b
    tuilab verify report-tiny.tar.gz
    """
    path = Path(bundle).expanduser()
    if not path.is_file():
        raise RefusalError(f"no file {bundle}: `tuilab report --bundle` makes one", USAGE)
    problems = verify_bundle(path)
    if as_json:
        document({"bundle": str(path), "whole": not problems, "problems": problems})
        return ERROR if problems else OK
    for problem in problems:
        out(plain(problem))
    if not problems:
        out(f"{bundle}: complete and unchanged")
    return ERROR if problems else OK
