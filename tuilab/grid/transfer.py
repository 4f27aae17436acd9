"""How far a download is, in bytes; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuilab.grid.text import duration, size

PART = "bytes"
"""``part`` of the progress events that count bytes."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One download as its runner told it last."""

    here: int
    """Bytes that are here."""
    total: int
    rate: float | None = None
    """Bytes per second over the last seconds; None when it has not been seen for long enough."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all is here at this rate; None without one."""
        return (self.total - self.here) / self.rate if self.rate else None

    def __str__(self) -> str:
        here, total = size(self.here), size(self.total)
        same_unit = here.rpartition(" ")[2] == total.rpartition(" ")[2]
        parts = [f"{here.rpartition(' ')[0] if same_unit else here} of {total}"]
        if self.rate:
            parts.append(f"{size(self.rate)}/s")
            parts.append(f"{duration(self.seconds_left)} left")
        return ", ".join(parts)


def transfer_from(event: Mapping[str, Any]) -> Transfer | None:
    """Read a progress event; None for one that counts anything else."""
    here, total, rate = event.get("step"), event.get("of"), event.get("rate")
    if event.get("part") != PART or here is None or total is None:
        return None
    return Transfer(int(here), int(total), rate)
