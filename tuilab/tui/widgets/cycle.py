"""One value out of several, changed with left and right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.binding import Binding
from textual.message import Message

from tuilab.tui.widgets.lines import Lines


class Cycle(Lines, can_focus=True):
    """A labelled value; left and right go round."""

    BINDINGS = [  # noqa: RUF012
        Binding("left,h", "step(-1)", "previous", show=False, tooltip="previous value"),
        Binding("right,l,space", "step(1)", "next", show=False, tooltip="next value"),
    ]

    @dataclass
    class Changed(Message):
        """Another value was chosen."""

        place: int

    def __init__(self, label: str, values: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._label = label
        self._values = list(values)
        self.place = 0

    def rename(self, values: Sequence[str]) -> None:
        """Take other words for the same values."""
        if list(values) != self._values:
            self._values = list(values)
            self._show()

    def on_mount(self) -> None:
        """Show the value."""
        self._show()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show whether the keys act here."""
        super().watch_has_focus(has_focus)
        self._show()

    def action_step(self, step: int) -> None:
        """Choose the next value."""
        self.place = (self.place + step) % len(self._values)
        self._show()
        self.post_message(self.Changed(self.place))

    def on_click(self) -> None:
        """A click goes on to the next value."""
        self.action_step(1)

    def _show(self) -> None:
        role = "key cursor" if self.has_focus else "field"
        value = f" < {self._values[self.place]} > "
        self.show([((f" {self._label} ", "muted"), (value, role))])
