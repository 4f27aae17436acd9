"""A sequence that makes its members where somebody looks: large grids keep columns, not objects."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from operator import eq
from typing import Any, TypeVar, overload

T = TypeVar("T", covariant=True)


class Lazy(Sequence[T]):
    """Equal to whatever sequence has equal members, with the hash of such a tuple."""

    @abstractmethod
    def at(self, place: int) -> T:
        """Make the member at a place; a negative one counts from the end."""

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        if isinstance(place, slice):
            return tuple(map(self.at, range(len(self))[place]))
        return self.at(place)

    def __iter__(self) -> Iterator[T]:
        return map(self.at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))


class Mapped(Lazy[T]):
    """What is made of the members of another sequence, each where it is seen."""

    def __init__(self, make: Callable[[Any], T], of: Sequence[Any]) -> None:
        self._make, self._of = make, of

    def at(self, place: int) -> T:
        """Make the member at a place."""
        return self._make(self._of[place])

    def __iter__(self) -> Iterator[T]:
        return map(self._make, self._of)

    def __len__(self) -> int:
        return len(self._of)
