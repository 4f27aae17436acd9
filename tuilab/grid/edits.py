"""Edits of single cells (``marker.lr=1e-5``): what may be edited, and which cells carry edits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage
from tuilab.grid.text import list_of, nearest

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

EDITED = "†"
"""Marks a number of an edited cell wherever people read it."""
EDITED_ASCII = "e"
LEGEND = "ran with settings unlike the config"
"""What the mark means."""
_BETWEEN = "; "
EDITABLE = ("data", "convergence", "marker", "trait", "merge", "eval", "cosine")
"""Blocks whose values may differ between cells."""

_SAME_EVERYWHERE = {
    "cosine.pool": "cosines of different pools cannot be compared",
    "cosine.pool_name": "cosines of different pools cannot be compared",
    "cosine.headline_layer": "the grid shows one layer",
    "trait.positives": "it names a file; edit experiment.toml instead",
    "trait.negatives": "it names a file; edit experiment.toml instead",
}

K = TypeVar("K", bound=Hashable)
Edits = Mapping[str, Any]
"""Dotted config key to value."""


class EditError(ValueError):
    """An edit that cannot be made; its text says why."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """Edits kept for some cells."""

    cells: tuple[str, ...]
    """Cells by name, such as ``villain@10#42``."""
    sets: Mapping[str, Any]
    """Dotted config key to value."""

    def as_json(self) -> dict[str, Any]:
        """Return the mapping that ``from_json`` reads."""
        return {"cells": list(self.cells), "sets": dict(self.sets)}


def from_json(raw: Iterable[Mapping[str, Any]]) -> tuple[Deviation, ...]:
    """Read the content of deviations.json; KeyError when an entry lacks a part."""
    return tuple(Deviation(tuple(map(str, one["cells"])), dict(one["sets"])) for one in raw)


def parse_edit(text: str) -> tuple[str, Any]:
    """Read ``marker.lr=1e-5``; a value that is not TOML is taken as plain text.

    Raises EditError when there is no key or no value.
    """
    from tuilab.grid import toml  # slow to load, and most callers only read edits

    key, equals, raw = text.partition("=")
    key, raw = key.strip(), raw.strip()
    if not equals or not key or not raw:
        raise EditError(f"{text!r} is not an edit: write key=value, such as marker.lr=1e-5")
    try:
        value = toml.loads(f"value = {raw}")["value"]
    except toml.TOMLDecodeError:
        return key, raw
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise EditError(
            f"{key}={raw}: must be a finite number, text, a list, true or false"
        ) from None
    return key, value


def parse_edits(texts: Iterable[str]) -> dict[str, Any]:
    """Read several edits; EditError names every one that cannot be read."""
    found: dict[str, Any] = {}
    wrong = []
    for text in texts:
        try:
            key, value = parse_edit(text)
        except EditError as error:
            wrong.append(str(error))
        else:
            found[key] = value
    if wrong:
        raise EditError("; ".join(wrong))
    return found


def sets_for(deviations: Sequence[Deviation], cell: Cell) -> dict[str, Any]:
    """Return the edits of a cell, later ones over earlier ones."""
    name = str(cell)
    found: dict[str, Any] = {}
    for deviation in deviations:
        if name in deviation.cells:
            found.update(deviation.sets)
    return found


def sets_for_all(deviations: Sequence[Deviation], cells: Sequence[Cell]) -> dict[str, Any]:
    """Return the edits that all of some cells have; a job that they share can have no others."""
    first, *others = (sets_for(deviations, cell) for cell in cells)
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in others)
    }


def without_idle(raw: Mapping[str, Any], sets: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out edits to the value that the raw config has anyway."""
    return {key: value for key, value in sets.items() if value_at(raw, key) != value}


def value_at(raw: Mapping[str, Any], key: str) -> Any:
    """Return what a raw config has at a dotted key; None where it has nothing."""
    found: Any = raw
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def without(deviations: Sequence[Deviation], cells: Collection[str]) -> tuple[Deviation, ...]:
    """Return the edits that stay when some cells go back to the config's own values."""
    gone = set(cells)
    kept = (
        Deviation(tuple(name for name in one.cells if name not in gone), one.sets)
        for one in deviations
    )
    return tuple(one for one in kept if one.cells)


def edits_of(config: ExperimentConfig, sets: Mapping[str, Any]) -> ExperimentConfig:
    """Return the config under some edits; EditError lists all that is wrong with them."""
    from pydantic import ValidationError

    raw = config.model_dump(mode="json")
    wrong = [why for key, value in sets.items() if (why := _place(raw, key, value))]
    if wrong:
        raise EditError("; ".join(wrong))
    try:
        made = type(config).model_validate_json(json.dumps(raw, default=str))
        return made.with_files(config.files)
    except ValidationError as error:
        raise EditError("; ".join(_messages(error, sets))) from None


def _place(raw: dict[str, Any], key: str, value: Any) -> str:
    """Put a value at its place in the raw config; return why that is impossible, or ""."""
    block, *rest = key.split(".")
    if block in raw and block not in EDITABLE:
        return f"{key}: is the same for the whole grid; edit experiment.toml instead"
    if block not in EDITABLE or not rest:
        return f"{key}: unknown key{nearest(key, known_keys(raw))}"
    if key in _SAME_EVERYWHERE:
        return f"{key}: must be the same in every cell ({_SAME_EVERYWHERE[key]})"
    if block == "marker" and raw["trait"] is not None:
        return f"{key}: is not used, since the source learns the rows of [trait]"
    table: Any = raw[block]
    for name in rest[:-1]:
        table = table.get(name) if isinstance(table, dict) else None
    if not isinstance(table, dict) or rest[-1] not in table:
        return f"{key}: unknown key{nearest(key, known_keys(raw))}"
    table[rest[-1]] = value
    return ""


def known_keys(raw: Mapping[str, Any]) -> list[str]:
    """Return every dotted key that may be edited, in config order."""
    unused = "marker" if raw["trait"] else ""
    used = [block for block in EDITABLE if raw[block] and block != unused]
    return [key for block in used for key in _dotted(block, raw[block])]


def _dotted(path: str, value: Any) -> list[str]:
    if not isinstance(value, Mapping):
        return [] if path in _SAME_EVERYWHERE else [path]
    return [key for name, inner in value.items() for key in _dotted(f"{path}.{name}", inner)]


def _messages(error: Any, sets: Mapping[str, Any]) -> list[str]:
    found = []
    for problem in error.errors():
        path = ".".join(map(str, problem["loc"]))
        key = next((key for key in sets if path.startswith(key)), path)
        found.append(f"{key}={sets.get(key)!r}: {problem['msg'].lower()}")
    return list(dict.fromkeys(found))


def edits_text(edits: Mapping[str, Any]) -> str:
    """Write edits in one fixed order, ``marker.epochs=10; marker.lr=0.002``; "" for none."""
    return _BETWEEN.join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(edits.items())
    )


def read_edits(text: str) -> dict[str, Any]:
    """Read what ``edits_text`` wrote; what is not JSON, in a table from elsewhere, stays text."""
    found: dict[str, Any] = {}
    for one in filter(None, text.split(_BETWEEN)):
        key, _, raw = one.partition("=")
        try:
            found[key] = json.loads(raw)
        except ValueError:
            found[key] = raw
    return found


def cell_edits(plan: Plan, cells: Iterable[Cell] | None = None) -> dict[Cell, dict[str, Any]]:
    """Return the edits of each cell that has any, those of the shared jobs it reads included.

    Only of ``cells``, where given.
    """
    found: dict[Cell, dict[str, Any]] = {}
    if not any(kind.deviation for kind in plan.table.kinds):
        return found
    wanted = set(plan.cells if cells is None else cells)
    for job in plan.jobs:
        if job.cell is None or job.cell not in wanted:
            continue
        parents = [plan.by_id[parent] for parent in job.parents]
        for one in (*(parent for parent in parents if parent.cell is None), job):
            edits = {k: v for k, v in one.deviation.items() if _acts_at(k, job.cell.epoch)}
            if edits:
                found.setdefault(job.cell, {}).update(edits)
    return found


def _acts_at(key: str, epoch: int) -> bool:
    """Whether an edit changes anything at an epoch: 0 knows no convergence adapter."""
    return epoch > 0 or not key.startswith("convergence.")


def edited_before(edits: Mapping[Cell, Edits], cells: Sequence[Cell]) -> str:
    """Write the edits that cells carry in one line, with how many have each; "" for none."""
    if not edits:
        return ""
    counts = Counter(f"{key}={value}" for one in edits.values() for key, value in one.items())
    if all(count == len(cells) for count in counts.values()):
        return f"edited before: {', '.join(counts)}"
    told = ", ".join(f"{edit} ({count})" for edit, count in counts.items())
    return f"{len(edits)} of {len(cells)} cells edited before: {told}"


def behind(edits: Mapping[str, Any], stage: Stage | None) -> dict[str, Any]:
    """Keep the edits that a stage's numbers rest on: sampling moves no cosine, layers no rate.

    What no single stage measures (None) rests on all of them.
    """
    beside = {Stage.EVAL: "cosine.", Stage.COSINE: "eval."}.get(stage) if stage else None
    return {key: value for key, value in edits.items() if not (beside and key.startswith(beside))}


def apart(ran: Mapping[K, tuple[int, str]]) -> frozenset[K]:
    """Return what must not be put together with the rest, of things given as (epoch, edits).

    Nothing, when all ran with the same edits (an edit of the convergence cannot show at epoch 0);
    otherwise everything edited, so that what is left ran as the config says.
    """
    later = {edits for epoch, edits in ran.values() if epoch > 0}
    first = {edits for epoch, edits in ran.values() if epoch == 0}
    is_one = len(later) <= 1 and first <= ({_at_epoch_0(*later)} if later else first)
    if is_one and len(first) <= 1:
        return frozenset()
    return frozenset(key for key, (_, edits) in ran.items() if edits)


def _at_epoch_0(edits: str) -> str:
    return _BETWEEN.join(one for one in edits.split(_BETWEEN) if _acts_at(one, 0))


def listed(cells: Iterable[tuple[str, str]], limit: int = 8) -> str:
    """Name cells by their edits: ``pirate@3#42, pirate@8#42 (marker.lr=0.002)``."""
    by_edits: dict[str, list[str]] = {}
    for cell, edits in cells:
        by_edits.setdefault(edits, []).append(cell)
    return _BETWEEN.join(f"{list_of(names, limit)} ({edits})" for edits, names in by_edits.items())
