"""The settings of a plan, each value kept once; pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from tuilab.grid.fingerprint import canonical


class SettingsTable(Mapping[str, Mapping[str, Any]]):
    """Settings by key, as columns: a mapping is made where somebody looks at it.

    In a large grid every job of a stage has the same panel: written out for each cell it takes
    gigabytes.
    """

    def __init__(self, settings: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.kept: list[Any] = []
        self.groups: dict[tuple[str, ...], Group] = {}
        """By the names that settings have."""
        self._rows: dict[str, tuple[Group, int]] | None = {}
        """Where the settings of a key are; None until somebody asks, which readers hardly do."""
        self._known: dict[Any, int] = {}
        for key, one in (settings or {}).items():
            self.put(key, one)

    def put(self, key: str, settings: Mapping[str, Any]) -> None:
        """Keep settings under a new key."""
        self.put_row(key, tuple(settings), [self.code(value) for value in settings.values()])

    def put_row(self, key: str, names: tuple[str, ...], codes: Sequence[int]) -> None:
        """Keep settings under a new key, by the indexes of values that are kept already."""
        group = self.group(names)
        self._places[key] = (group, len(group.keys))
        group.keys.append(key)
        for column, code in zip(group.columns.values(), codes, strict=True):
            column.append(code)

    def take(self, keys: list[str], columns: dict[str, array[int]]) -> None:
        """Keep many settings of the same names, by the indexes of values that are kept already."""
        group, self._rows = self.group(tuple(columns)), None
        group.keys += keys
        for name, column in columns.items():
            group.columns[name] += column

    def group(self, names: tuple[str, ...]) -> Group:
        """Return where settings of these names are kept."""
        if names not in self.groups:
            self.groups[names] = Group(names)
        return self.groups[names]

    def code(self, value: Any) -> int:
        """Return the index under which a value is kept."""
        is_whole = isinstance(value, str | int | float | None)
        name = (type(value), value) if is_whole else id(value)
        if (code := self._known.get(name)) is not None:
            return code
        text = name if is_whole else canonical(value)
        if (code := self._known.get(text)) is None:
            code = self._known[text] = self._known[name] = len(self.kept)
            self.kept.append(value)
        return code

    def values_of(self, name: str) -> list[Any]:
        """Return the values that settings have under a name, each once."""
        columns = (group.columns.get(name, ()) for group in self.groups.values())
        return [self.kept[code] for code in dict.fromkeys(code for one in columns for code in one)]

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        group, row = self._places[key]
        return {name: self.kept[column[row]] for name, column in group.columns.items()}

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(group.keys for group in self.groups.values())

    def __len__(self) -> int:
        return sum(len(group.keys) for group in self.groups.values())

    @property
    def _places(self) -> dict[str, tuple[Group, int]]:
        if self._rows is None:
            self._rows = {
                key: (group, row)
                for group in self.groups.values()
                for row, key in enumerate(group.keys)
            }
        return self._rows


class Group:
    """Settings that have the same names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.keys: list[str] = []
        """One a row."""
        self.columns: dict[str, array[int]] = {name: array("I") for name in names}
        """Of each name an index into the values, row by row."""
