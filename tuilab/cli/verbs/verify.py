"""``tuilab verify``: whether a bundle is what its maker wrote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.output import document, out, plain
from tuilab.cli.verbs.arguments import AsJson
from tuilab.report.bundle import verify_bundle


def verify(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A .tar.gz made by report.")],
    sha256: Annotated[
        str, typer.Option("--sha256", metavar="DIGEST", help="The digest that report printed.")
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Check that a bundle is complete and unchanged; with --sha256 also that it is the very one.

    \b
    tuilab verify report-tiny.tar.gz --sha256 3f9a...
    """
    path = Path(bundle).expanduser()
    if not path.is_file():
        raise RefusalError(f"no file {bundle}: `tuilab report --bundle` makes one", USAGE)
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256.strip()):
        raise RefusalError("--sha256 takes the 64 hex digits that `tuilab report` printed", USAGE)
    problems = verify_bundle(path, sha256)
    if as_json:
        document({"bundle": str(path), "whole": not problems, "problems": problems})
        return ERROR if problems else OK
    for problem in problems:
        out(plain(problem))
    if not problems:
        out(f"{bundle}: complete and unchanged")
    return ERROR if problems else OK
