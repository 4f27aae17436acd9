"""What people hear of when they are not looking: words, and what a terminal is sent; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuilab.grid.text import count_of

NoticeKind = Literal["done", "failed", "stalled", "paused", "gone"]
NOTICE_KINDS: tuple[NoticeKind, ...] = ("done", "failed", "stalled", "paused", "gone")
_DONE, _OPEN = ("done", "stale"), ("failed", "suspect", "lost", "stopped")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that somebody wants to hear of."""

    kind: str
    """done, failed, stalled, paused or gone."""
    title: str
    text: str


def finished(name: str, counts: Mapping[str, int]) -> Notice:
    """Say that nothing is left to run, by the cells of each state."""
    total, done = sum(counts.values()), sum(counts.get(word, 0) for word in _DONE)
    bad = [f"{counts[word]} {word}" for word in _OPEN if counts.get(word)]
    if done == total:
        return Notice("done", f"{name}: done", f"all {count_of(total, 'cell')}")
    told = ", ".join([f"{done} of {total} cells are done", *bad])
    return Notice("done", f"{name}: finished, not complete", told)


def notices_of(lines: Iterable[Mapping[str, Any]]) -> Iterator[Notice]:
    """Yield the notices among journal lines."""
    for line in lines:
        if line.get("kind") == "notified":
            told = (str(line.get(key, "")) for key in ("verb", "title", "text"))
            yield Notice(*told)


def terminal_sequence(title: str, text: str, env: Mapping[str, str]) -> str:
    """Return what asks a terminal for a desktop notification, also through tmux.

    OSC 777 is what urxvt, foot and VTE know, OSC 9 what iTerm2, WezTerm, kitty, Ghostty and Windows
    Terminal know; a terminal that knows neither shows nothing. Both would be shown twice by some.
    The texts must be harmless already (``contract.foreign.clean_line``).
    """
    title, text = title.replace(";", ","), text.replace(";", ",")
    term = env.get("TERM", "")
    is_777 = "VTE_VERSION" in env or term.startswith(("rxvt", "foot"))
    body = f"777;notify;{title};{text}" if is_777 else f"9;{title}: {text}"
    sequence = f"\x1b]{body}\x1b\\"
    if env.get("TMUX"):
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return sequence
