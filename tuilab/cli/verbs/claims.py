"""``tuilab claims``: what the data say, of themselves or of the claims in a file; and the lock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError, guarded
from tuilab.cli.output import document, out, plain, tell
from tuilab.cli.requests import ask
from tuilab.cli.resolve import find_experiment, find_grid, text_of
from tuilab.cli.verbs.arguments import AsJson, Dir, Layer, ModelState
from tuilab.grid.text import count_of, nearest
from tuilab.science.claims.declared import ClaimsFileError, DeclaredClaim, parse
from tuilab.science.published import CLAIMS_FILE, read
from tuilab.store.plan_file import load_plan
from tuilab.study.locked_claims import analysis_code, lock_lines, verdicts
from tuilab.study.study import open_study

LOCK, JUDGE = "lock", "judge"
Judged = Annotated[
    str | None,
    typer.Argument(
        metavar="DIR",
        help="Experiment directory; by default the newest here.",
        autocompletion=complete.experiments_or_lock,
    ),
]
ClaimsFile = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE", help="Claims to judge; `eps109` for those of the published card."
    ),
]


class JudgesOrLocks(TyperGroup):
    """Judges, unless the first word is ``lock``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command that judges before what is none, unless it is misspelt."""
        word = "".join(args[:1])
        if (
            word != LOCK
            and nearest(word, [LOCK])
            and not any(Path(place, word).exists() for place in (".", "runs"))
        ):
            ctx.fail(f"No such command '{word}'. Did you mean '{LOCK}'?")
        return super().parse_args(ctx, args if args[:1] == [LOCK] else [JUDGE, *args])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return a name to be shown, the command and the words after it; the judge has no name."""
        name, command, rest = super().resolve_command(ctx, args)
        return "" if name == JUDGE else name, command, rest


app = typer.Typer(cls=JudgesOrLocks, add_completion=False, rich_markup_mode=None)


@app.command(JUDGE, hidden=True)
@guarded
def claims(
    directory: Judged = None,
    file: ClaimsFile = None,
    layer: Layer = None,
    state: ModelState = None,
    as_json: AsJson = False,
) -> int:
    """Judge claims against the results: what holds, and beyond which noise.

    Other verdicts: fails, within noise, not measured, cannot be decided, unsupported (nothing
    measured here could show it). Without a file: the locked claims and the standard ones.

    `tuilab claims lock DIR FILE` puts a file on record. What was locked before the first
    measurement is confirmatory, the rest exploratory; every later deviation is listed.

    \b
    tuilab claims runs/tiny
    tuilab claims published eps109         # the card's claims against its own numbers
    tuilab claims runs/tiny claims.toml --json
    tuilab claims lock runs/tiny claims.toml
    """
    study = open_study(find_experiment(directory), layer, state)
    declared = None if file is None else _declared(file)
    found, told = verdicts(study, declared), lock_lines(study, declared)
    if as_json:
        record = {"experiment": study.name, "claims": [claim.record() for claim in found]}
        document({**record, **({"lock": told} if told else {})})
        return OK
    for line in told:
        out(plain(line))
    if told:
        out()
    for claim in found:
        status = f" [{claim.status}]" if claim.status else ""
        out(f"{claim.said:12}  {plain(claim.claim)}{status}")
        out(f"              {plain(claim.sentence)}")
        for line in claim.evidence:
            out(f"                {plain(line)}")
    return OK


@app.command(LOCK)
@guarded
def lock(
    directory: Dir,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The claims file.")],
    as_json: AsJson = False,
) -> int:
    """Put claims on record in the journal, with the hashes of plan and analysis code.

    Claims locked before the first evaluation are confirmatory. Every later deviation (an edit,
    growth, an accepted result, a result made again) is listed with its date.

    \b
    tuilab claims lock runs/eps109 claims.toml
    """
    root = find_grid(directory)
    declared = _declared(file)
    _refuse_unknown(declared, root, file)
    options = {"text": _text_of(file), "name": Path(file).name, "code": analysis_code()}
    reply = ask(root, "lock", options=options)
    if reply.accepted is not True:
        raise RefusalError(reply.why)
    told = lock_lines(open_study(root))
    if as_json:
        document({"locked": [one.key for one in declared], "lock": told})
        return OK
    tell(f"locked {count_of(len(declared), 'claim')}")
    for line in told:
        out(plain(line))
    return OK


def _refuse_unknown(declared: Sequence[DeclaredClaim], root: Path, file: str) -> None:
    """Refuse claims about sources that the grid does not have: a lock cannot be taken back."""
    known = load_plan(root).sources
    for claim in declared:
        named = getattr(claim, "sources", ())
        for one in () if isinstance(named, str) else named:
            if one not in known:
                why = f"{one} is no source of this grid{nearest(one, known)}"
                raise RefusalError(f"{file}: claim {claim.key}: {why}; nothing was locked", USAGE)


def _declared(file: str) -> Sequence[DeclaredClaim]:
    try:
        return parse(_text_of(file))
    except ClaimsFileError as error:
        raise RefusalError(f"{file}: {error}", USAGE) from error


def _text_of(file: str) -> str:
    if file == "eps109":
        return read(CLAIMS_FILE)
    return text_of(file, "`eps109` names the claims of the published card")
