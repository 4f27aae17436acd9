"""Reads what the card of a table declares of how it was made, and what contradicts it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuilab.grid import toml
from tuilab.grid.text import nearest
from tuilab.report.run_card import CardContext, Field, run_card

DECLARED = "declared, not verified"
_CONTRADICTED = "contradicted"
"""Table of a card file: by what a declared field is contradicted, where the table cannot say it."""


class CardFileError(ValueError):
    """The file is no card; the text says why and what would be right."""


@dataclass(frozen=True, slots=True)
class DeclaredCard:
    """Fields by ``Section: Name``; what is no field of the run card by its own name."""

    fields: Mapping[str, str] = field(default_factory=dict)
    contradicted: Mapping[str, str] = field(default_factory=dict)
    """By what, for some of the fields."""

    @property
    def record(self) -> dict[str, dict[str, str]]:
        """What design.json keeps, as ``of_provenance`` reads it."""
        return {"declared": dict(self.fields), _CONTRADICTED: dict(self.contradicted)}


def of_provenance(told: Mapping[str, Any]) -> DeclaredCard:
    """Read what design.json keeps; what is no text there is passed over."""
    parts = [told.get(name) for name in ("declared", _CONTRADICTED)]
    texts = [one if isinstance(one, Mapping) else {} for one in parts]
    return DeclaredCard(*({str(key): str(one) for key, one in of.items()} for of in texts))


def parse(text: str) -> DeclaredCard:
    """Read a card file: ``name = text``, or a table for each section of the run card.

    A name alone fills the field of that name where only one section has it (``base_model``).

    Raises:
        CardFileError: for what is no TOML, no text, or no field of the section it stands in.
    """
    try:
        raw = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise CardFileError(f"is not valid TOML: {error}") from error
    contradicted = raw.pop(_CONTRADICTED, {})
    if not isinstance(contradicted, dict):
        raise CardFileError(f"[{_CONTRADICTED}] is not one text for each field; write field = text")
    known = [(one.section, one.name) for one in run_card([], CardContext())]
    found: dict[str, str] = {}
    for name, value in raw.items():
        if isinstance(value, dict):
            found |= {_place(name, key, known): _text(key, one) for key, one in value.items()}
            continue
        words = name.replace("_", " ").lower()
        fits = [f"{section}: {own}" for section, own in known if own.lower() == words]
        found[fits[0] if len(fits) == 1 else name] = _text(name, value)
    for place in contradicted:
        if place not in found:
            hint = nearest(place, found)
            raise CardFileError(f"[{_CONTRADICTED}] {place}: is not declared here{hint}")
    return DeclaredCard(found, {place: _text(place, why) for place, why in contradicted.items()})


def _place(section: str, name: str, known: Sequence[tuple[str, str]]) -> str:
    if (section, name) in known:
        return f"{section}: {name}"
    names = [own for of, own in known if of == section]
    if not names:
        sections = list(dict.fromkeys(of for of, _ in known))
        hint = nearest(section, sections) or f"; there are {', '.join(sections)}"
        raise CardFileError(f"[{section}] is no section of the run card{hint}")
    hint = nearest(name, names) or f"; it has {', '.join(names)}"
    raise CardFileError(f"{name} is no field of [{section}]{hint}")


def _text(name: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise CardFileError(f"{name} is not one text; write name = text")
    return str(value)


def with_declared(
    card: Iterable[Field], declared: DeclaredCard, measured: Mapping[str, Iterable[Any]]
) -> list[Field]:
    """Fill the empty fields of a card with what is declared, each with its state.

    ``measured`` has what the table itself says of a field, which fills it; a declaration that lacks
    one of these words is contradicted by it, and stands beside it.
    """
    free = {name: text for name, text in declared.fields.items() if ": " not in name}
    told = [Field("Results table", name, text, DECLARED) for name, text in free.items()]
    for one in card:
        place = f"{one.section}: {one.name}"
        words = [str(word) for word in measured.get(place, ())]
        own, text = one.value or ", ".join(words), declared.fields.get(place, "")
        absent = [word for word in words if text and not _says(text, word)]
        why = declared.contradicted.get(place) or ("the table: " + ", ".join(absent)) * bool(absent)
        state = f"contradicted by {why}" if why else DECLARED
        if own:
            state = f"declared as {text}: {state}" if why else ""
        told.append(replace(one, value=own or text, state=state if text else ""))
    return told


def _says(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None
