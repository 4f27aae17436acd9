"""``tuilab verify``: whether a bundle is what its maker wrote, and whether it is true."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.output import document, out, plain, progress_bar, tell
from tuilab.cli.verbs.arguments import AsJson
from tuilab.contract.foreign import clean_line
from tuilab.grid.text import count_of
from tuilab.report.bundle import verify_bundle
from tuilab.report.recompute import Recomputed, recompute


def verify(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A .tar.gz made by report.")],
    sha256: Annotated[
        str, typer.Option("--sha256", metavar="DIGEST", help="The digest that report printed.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--recompute", help="Make every number again from the raw completions.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Check that a bundle is complete and unchanged; with --sha256 also that it is the right one.

    Whoever changes a file can write its checksum again. So --recompute counts the completions
    again, makes tables, claims, figures and report from the counts, and names each line that
    differs. Only --sha256 shows whether the completions themselves were changed.

    \b
    tuilab verify report-tiny.tar.gz --sha256 3f9a...
    tuilab verify report-tiny.tar.gz --recompute
    """
    path = Path(bundle).expanduser()
    if not path.is_file():
        raise RefusalError(f"no file {bundle}: `tuilab report --bundle` makes one", USAGE)
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256.strip()):
        raise RefusalError("--sha256 takes the 64 hex digits that `tuilab report` printed", USAGE)
    problems = verify_bundle(path, sha256)
    found = _recomputed(path) if again else None
    problems += found.problems if found else []
    if as_json:
        told = {"bundle": str(path), "whole": not problems, "problems": problems}
        if found:
            counted = {"attempts": found.attempts, "files": found.files, "notes": found.notes}
            told["recomputed"] = counted
        document(told)
        return ERROR if problems else OK
    for problem in problems:
        out(clean_line(problem))
    for note in found.notes if found else []:
        tell(plain(note))
    if not problems:
        out(f"{bundle}: complete and unchanged" + (f", {_said(found)}" if found else ""))
    return ERROR if problems else OK


def _recomputed(path: Path) -> Recomputed:
    with tempfile.TemporaryDirectory(prefix="tuilab-verify-") as room, progress_bar() as progress:
        return recompute(path, Path(room), progress)


def _said(found: Recomputed) -> str:
    made = f"{count_of(found.files, 'file', 'files')} of the report made again, all the same"
    if not found.attempts:
        return f"and its report is what its table gives ({made}); nothing raw stands behind that"
    counted = count_of(found.attempts, "attempt was", "attempts were")
    if not found.is_held_to_config:
        return f"and its numbers are true, not whose they are: {counted} counted again, {made}"
    return f"and true: {counted} counted again, {made}"
