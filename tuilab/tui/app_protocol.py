"""What screens and widgets may ask of the app they stand in; they know nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from textual.signal import Signal

    from tuilab.grid.experiment_state import ExperimentState
    from tuilab.science.figures.model import Figure
    from tuilab.store.snapshot import Snapshot
    from tuilab.tui.analysis_cache import AnalysisCache
    from tuilab.tui.log_tail import Tail
    from tuilab.tui.poller import Poller, SnapshotSource
    from tuilab.tui.preferences import Preferences
    from tuilab.tui.present.glyphs import Glyphs
    from tuilab.tui.themes import Palette


class AppProtocol(Protocol):
    """The app as its screens see it."""

    root: Path | None
    """The open experiment; None on the list of several."""
    under: Path
    """Where experiments are looked for."""
    snapshot: Snapshot | None
    """The newest picture; None before the first look."""
    snapshots: Signal[Snapshot]
    logs: Signal[Tail]
    glyphs: Glyphs
    analyses: AnalysisCache
    poller: Poller
    export_figure: Callable[[Path, Figure], Sequence[Path]] | None
    """Writes a figure of an experiment as files and returns their paths."""
    preferences: Preferences

    @property
    def palette(self) -> Palette:
        """Colours by role under the current theme."""

    @property
    def is_live(self) -> bool:
        """Whether the app looks by itself; in tests it looks when told to."""

    def time(self) -> float:
        """Unix time, or the fixed one that the app was given."""

    def experiment_state(self) -> ExperimentState | None:
        """Return what previews are made from; None before the first look, or without a plan."""

    def source_of(self, root: Path) -> SnapshotSource:
        """Return what reads another experiment."""

    def follow_log(self, path: Path | None) -> None:
        """Read another log from now on."""

    def open_outside(self, words: Sequence[str], what: Path | str, name: str = "") -> None:
        """Show a file, or a text under a name, in the person's own pager or editor."""

    def copy(self, text: str, told: str = "") -> None:
        """Put a text on the clipboard (OSC 52) and say so, with a word of what it was."""

    def why_not_write(self) -> str:
        """Say why nothing may be changed; "" when it may."""
