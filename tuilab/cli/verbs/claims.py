"""``tuilab claims``: what the data say, or what they say of the claims in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import document, out, plain
from tuilab.cli.resolve import find_experiment
from tuilab.cli.verbs.arguments import AsJson, Layer, ModelState, OptionalDir
from tuilab.science.claims.claim import Claim
from tuilab.science.claims.declared import ClaimsFileError, parse
from tuilab.science.claims.evaluate import evaluate
from tuilab.science.claims.standard import standard_claims
from tuilab.science.published import CLAIMS_FILE, read
from tuilab.study.study import Study, open_study

ClaimsFile = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE", help="Claims to judge; `eps109` for those of the published card."
    ),
]


def claims(
    directory: OptionalDir = None,
    file: ClaimsFile = None,
    layer: Layer = None,
    state: ModelState = None,
    as_json: AsJson = False,
) -> int:
    """Judge claims against the results: what holds, and beyond which noise.

    Other verdicts: fails, within noise, not measured, cannot be decided, unsupported (nothing
    measured here could show it). Without a file: the standard claims.

    \b
    tuilab claims runs/tiny
    tuilab claims published eps109         the card's claims against its own numbers
    tuilab claims runs/tiny claims.toml --json
    """
    study = open_study(find_experiment(directory), layer, state)
    found = _judged(study, file)
    if as_json:
        document({"experiment": study.name, "claims": [claim.record() for claim in found]})
        return OK
    for claim in found:
        out(f"{claim.said:12}  {plain(claim.claim)}")
        out(f"              {plain(claim.sentence)}")
        for line in claim.evidence:
            out(f"                {plain(line)}")
    return OK


def _judged(study: Study, file: str | None) -> Sequence[Claim]:
    if file is None:
        return standard_claims(study.analysis)
    try:
        declared = parse(_text_of(file))
    except ClaimsFileError as error:
        raise RefusalError(f"{file}: {error}", USAGE) from error
    return evaluate(declared, study.analysis)


def _text_of(file: str) -> str:
    if file == "eps109":
        return read(CLAIMS_FILE)
    try:
        return Path(file).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        hint = (
            "; `eps109` names the claims of the published card" if not Path(file).exists() else ""
        )
        raise RefusalError(f"{file}: {error.strerror}{hint}", USAGE) from error
    except UnicodeDecodeError as error:
        raise RefusalError(f"{file}: not a text file", USAGE) from error
