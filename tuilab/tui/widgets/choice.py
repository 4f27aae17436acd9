"""What a dialog offers: a row of answers, and one value out of several; left and right change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events, on
from textual.binding import Binding
from textual.message import Message

from tuilab.tui.present.styled_text import Piece
from tuilab.tui.widgets.lines import Lines


class _Offer(Lines, can_focus=True):
    """Lines that keys act on, which show whether they do."""

    def _show(self) -> None:
        raise NotImplementedError

    def on_mount(self) -> None:
        """Show what is offered."""
        self._show()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show whether the keys act here."""
        super().watch_has_focus(has_focus)
        self._show()


class Choice(_Offer):
    """Answers side by side. ``answers`` are (name, words); the first has the cursor."""

    BINDINGS = [  # noqa: RUF012
        Binding("left,h,shift+tab", "step(-1)", "previous", show=False, tooltip="previous answer"),
        Binding("right,l,tab", "step(1)", "next", show=False, tooltip="next answer"),
        Binding("enter", "take", "take", show=False, tooltip="take this answer"),
    ]

    @dataclass
    class Taken(Message):
        """An answer was given."""

        name: str

    def __init__(self, answers: Sequence[tuple[str, str]], *, id: str = "choice") -> None:
        super().__init__(id=id)
        self._answers = tuple(answers)
        self._here = 0

    @property
    def here(self) -> str:
        """Name of the answer under the cursor."""
        return self._answers[self._here][0]

    def go(self, name: str) -> None:
        """Put the cursor on an answer."""
        self._here = next(n for n, (known, _) in enumerate(self._answers) if known == name)
        self._show()

    def action_step(self, step: int) -> None:
        """Go to the next answer; beyond the ends the focus moves on."""
        place = self._here + step
        if 0 <= place < len(self._answers):
            self._here = place
            self._show()
        elif step > 0:
            self.screen.focus_next()
        else:
            self.screen.focus_previous()

    def action_take(self) -> None:
        """Give the answer under the cursor."""
        self.post_message(self.Taken(self.here))

    def _show(self) -> None:
        pieces: list[Piece] = []
        for place, (_, words) in enumerate(self._answers):
            at = place == self._here
            role = "key cursor" if at and self.has_focus else "key" if at else "text"
            left, right = ("[", "]") if at else (" ", " ")
            pieces += [("  ", ""), (f"{left} {words} {right}", role)]
        self.show([tuple(pieces)])

    def on_click(self, event: events.Click) -> None:
        """A click takes the answer under the mouse."""
        column = 0
        for place, (_, words) in enumerate(self._answers):
            column += 2 + len(words) + 4
            if event.x < column:
                self._here = place
                self._show()
                self.action_take()
                return


class Cycle(_Offer):
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

    def action_step(self, step: int) -> None:
        """Choose the next value."""
        self.place = (self.place + step) % len(self._values)
        self._show()
        self.post_message(self.Changed(self.place))

    @on(Lines.Clicked)
    def _clicked(self, event: Lines.Clicked) -> None:
        """A click goes on to the next value."""
        self.action_step(1)

    def _show(self) -> None:
        role = "key cursor" if self.has_focus else "field"
        value = f" < {self._values[self.place]} > "
        self.show([((f" {self._label} ", "muted"), (value, role))])
