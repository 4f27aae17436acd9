"""``tuilab fetch``: a base model into the hub's cache, by hand."""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.base_on_hub import commit_of
from tuilab.cli.data_on_hub import fetch_data, read_whole
from tuilab.cli.errors import INTERRUPTED, OK, USAGE, RefusalError
from tuilab.cli.output import document, out, tell
from tuilab.cli.resolve import find_place, is_place, refuse_results
from tuilab.cli.runner_programs import refuse_without_libraries, run_hub
from tuilab.cli.verbs.arguments import AsJson
from tuilab.contract import hub
from tuilab.grid.text import size
from tuilab.store.layout import Layout
from tuilab.store.read_state import read_state

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def fetch(
    what: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG|DIR|MODEL|FILE",
            help="Whose base, or a model such as org/name.",
            autocompletion=complete.experiments_or_configs,
        ),
    ],
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="R", help="Branch, tag or commit.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Fetch a base model now, with progress. What is in the cache is not fetched again.

    An interrupted fetch continues where it stopped. Data files that a config names on the hub are
    fetched too; hf:OWNER/NAME@REVISION#FILE fetches a single one.

    \b
    tuilab fetch configs/eps109.toml
    tuilab fetch runs/eps109
    tuilab fetch Qwen/Qwen2.5-7B-Instruct --revision main
    """
    if what.startswith("hf:"):
        return _fetch_file(what, as_json)
    model, wanted, code = _meant(what, revision)
    if not hub.is_on_hub(model):
        out(f"{model} is on this machine: there is nothing to fetch")
        return OK
    if why := hub.why_nowhere(model):
        raise RefusalError(why, USAGE)
    refuse_without_libraries("tuilab fetch", ("huggingface_hub",))
    if hub.fetched(model, wanted, os.environ) is None:
        tell(f"fetching {model} from {hub.endpoint(os.environ)}")
    given = ["fetch", model, *(["--revision", wanted] if wanted else [])]
    goes_on = f"{model} was not fetched; the same command continues where it stopped"
    try:
        found = run_hub([*given, *(["--code"] if code else [])], goes_on)
    except KeyboardInterrupt:
        tell("")  # the bar's line is not ended
        raise RefusalError(goes_on, INTERRUPTED) from None
    if as_json:
        document({"model": model, **found})
        return OK
    came = found["fetched_bytes"]
    how = f"{size(came)} fetched" if came else "nothing was missing"
    out(f"{model} is {found['commit']}")
    out(f"{found['folder']}: {size(found['bytes'])}, {how}")
    return OK


def _fetch_file(name: str, as_json: bool) -> int:
    refuse_without_libraries("tuilab fetch", ("huggingface_hub",))
    found = fetch_data(name)
    if as_json:
        document({"file": name, **found})
    else:
        out(f"{name} is {found['commit']}")
        out(f"{found['path']}: {size(found['bytes'])}")
    return OK


def _meant(what: str, revision: str | None) -> tuple[str, str | None, bool]:
    """Return model, revision and whether its code is loaded too; a place comes before a model."""
    if not is_place(what) and _HUB_ID.fullmatch(what) and not what.endswith(".toml"):
        if "/" in what:
            return what, revision, False
        raise RefusalError(
            f"{what} is not an experiment or config here; a model is named ORG/NAME", USAGE
        )
    place = find_place(what)
    if place.root is not None:
        refuse_results(place.root)
    path = Layout(place.root).config if place.root else place.config
    assert path is not None, "a place is an experiment or a config"
    base = read_whole(path).config.base
    kept = commit_of(base.model, read_state(place.root)) if place.root else ""
    return base.model, revision or kept or base.revision, base.trust_remote_code
