"""Tells whether the runner programs that are installed here are those a plan was made with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tuilab.grid.fingerprint import code_versions, hash_of_sources
from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage
from tuilab.grid.text import list_of
from tuilab.store.file_stamp import stamp_of
from tuilab.store.program_name import program, quoted
from tuilab.store.shipped import RUNNERS, runner_folder

LOOK_SECONDS = 1.0
"""How long a look at the runners' files may be believed; one takes two milliseconds."""


def runner_sources() -> dict[str, str]:
    """Return the source text of every runner module by name; {} where none is installed."""
    folder = runner_folder()
    if folder is None:
        return {}
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [RUNNERS, *path.relative_to(folder).with_suffix("").parts]
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found


def sources_digest() -> str:
    """Return the hash of the runners' source text; a plan keeps it beside what it says of them."""
    sources = runner_sources()
    return hash_of_sources((name, text.encode()) for name, text in sources.items())


def other_code(plan: Plan, planned: str) -> tuple[Stage, ...]:
    """Return the stages of a plan whose program does something else here; () for none.

    ``planned`` is the ``sources_digest`` that the plan was made with ("" = not recorded). While it
    is the same, which a few milliseconds tell, nothing is parsed: that takes a tenth of a second.
    Nothing is said of code that cannot be read, as in the middle of an update.
    """
    try:
        sources = runner_sources()
    except OSError:
        return ()
    texts = ((name, text.encode()) for name, text in sources.items())
    if not sources or planned == hash_of_sources(texts):
        return ()
    return plan.table.stages_of_other_code(code_versions(sources))


class CodeWatch:
    """What ``other_code`` says of one plan, for who asks again and again."""

    def __init__(self, plan: Plan, planned: str) -> None:
        self._plan, self._planned = plan, planned
        self._stamps: object = None
        self._looked_at = -LOOK_SECONDS
        self._found: tuple[Stage, ...] = ()

    def look(self) -> tuple[Stage, ...]:
        """Return what ``other_code`` says, as a look within the last second had it."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return self._found
        folder, self._looked_at = runner_folder(), now
        stamps = {path: stamp_of(path) for path in folder.rglob("*.py")} if folder else {}
        if stamps != self._stamps:
            self._stamps, self._found = stamps, other_code(self._plan, self._planned)
        return self._found


def code_changed(stages: Sequence[str]) -> str:
    """Say that a plan is of other code; "" where it is not."""
    if not stages:
        return ""
    return f"tuilab's code of {list_of(stages, 3)} has changed since this grid was planned"


def code_problem(root: Path, stages: Sequence[str]) -> str:
    """Say it with the command that shows what it changes."""
    command = f"`{program()} run {quoted(root)} --dry-run`"
    said = code_changed(stages)
    return f"{said}: {command} shows which results become stale" if said else ""
