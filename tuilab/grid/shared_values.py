"""Keeps a value that many settings have once, and writes it once to hash it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuilab.grid.fingerprint import canonical, digest_of_text


class SharedValues:
    """Lists and objects of settings, one for all that are equal.

    In a large grid every job of a stage has the same panel: written out for each cell it takes
    gigabytes, and hashing it most of the time of a plan.
    """

    def __init__(self) -> None:
        self._by_text: dict[str, Any] = {}
        self._texts: dict[int, tuple[Any, str]] = {}
        """Canonical texts by the id of their value, which is kept: its id is nobody else's then."""
        self._derived: dict[int, tuple[Any, str]] = {}
        """What was made of a shared value last, and its text, by the id of the shared one."""

    def kept(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the same settings with values that are shared."""
        return {name: self._one(value) for name, value in settings.items()}

    def _one(self, value: Any) -> Any:
        if not isinstance(value, dict | list) or id(value) in self._texts:
            return value
        text = canonical(value)
        found = self._by_text.setdefault(text, value)
        self._texts[id(found)] = (found, text)
        return found

    def decided(self, settings: Mapping[str, Any], decides: Mapping[str, Any]) -> str:
        """Return ``digest(decides)``, of which some values are made of shared ones of ``settings``.

        What was made of a shared value before is compared with it, and not written again.
        """
        texts = ((name, self._text(settings.get(name), decides[name])) for name in sorted(decides))
        return digest_of_text(
            "{" + ",".join(f"{canonical(name)}:{one}" for name, one in texts) + "}"
        )

    def _text(self, before: Any, value: Any) -> str:
        if (known := self._texts.get(id(value))) is not None:
            return known[1]
        if id(before) not in self._texts:
            return canonical(value)
        if id(before) not in self._derived or self._derived[id(before)][0] != value:
            self._derived[id(before)] = (value, canonical(value))
        return self._derived[id(before)][1]
