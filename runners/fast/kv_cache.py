"""Keys and values of running completions; grows with their length, shrinks with their number."""

from __future__ import annotations

import torch

_STEP = 128
"""Slots are added in steps of this many tokens."""


class KVCache:
    """For each layer two tensors [rows, slots, kv heads, d]; each row is filled from slot 0."""

    def __init__(
        self, layers: int, rows: int, slots: int, heads: int, width: int, like: torch.Tensor
    ) -> None:
        shape = (rows, _rounded(slots), heads, width)
        self.used = torch.zeros(rows, dtype=torch.int32, device=like.device)
        """[rows]: filled slots of each row."""
        self._keys = [like.new_zeros(shape) for _ in range(layers)]
        self._values = [like.new_zeros(shape) for _ in range(layers)]
        self.last = self.used.long()
        """[rows]: the slot of the newest token of each row."""
        self._row = torch.arange(rows, device=like.device)

    @property
    def slots(self) -> int:
        """Tokens that fit into a row."""
        return self._keys[0].shape[1]

    def begin(self, used: torch.Tensor) -> None:
        """Set how many tokens ``fill`` has put into each row."""
        self.used.copy_(used)
        self.last.copy_(self.used - 1)

    def fill(
        self, layer: int, rows: torch.Tensor, slots: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> None:
        """Put token i of k and v [t, heads, d] at ``(rows[i], slots[i])``."""
        self._keys[layer][rows, slots] = k
        self._values[layer][rows, slots] = v

    def advance(self) -> None:
        """Move each row on by one token; in place, so that a captured step does it too."""
        self.used += 1
        self.last += 1

    def append(
        self, layer: int, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the newest token's k and v, [rows, heads, d], at ``last``; return the tensors."""
        keys, values = self._keys[layer], self._values[layer]
        keys[self._row, self.last] = k
        values[self._row, self.last] = v
        return keys, values

    def keep(self, rows: torch.Tensor, slots: int) -> None:
        """Keep these rows, in this order, with at least ``slots`` slots each."""
        self.used = self.used[rows]
        self.last = self.last[rows]
        self._row = torch.arange(len(rows), device=rows.device)
        for tensors in (self._keys, self._values):
            for layer, old in enumerate(tensors):
                tensors[layer] = _resized(old, rows, _rounded(slots))


def _resized(old: torch.Tensor, rows: torch.Tensor, slots: int) -> torch.Tensor:
    shared = min(slots, old.shape[1])
    new = old.new_zeros((len(rows), slots, *old.shape[2:]))
    torch.index_select(old[:, :shared], 0, rows, out=new[:, :shared])
    return new


def _rounded(slots: int) -> int:
    return -(-slots // _STEP) * _STEP
