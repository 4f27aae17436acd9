"""The bottom line: the keys that matter here, or what was just said, over rows where it is long."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.timer import Timer

from tuilab.tui.keys import rebound
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.key_table import key_names
from tuilab.tui.present.styled_text import Line, Piece, fit_line, width, wrap
from tuilab.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from tuilab.tui.app_protocol import AppProtocol


def hints(bindings: Iterable[BindingType], glyphs: Glyphs) -> Line:
    """Write the keys that are to be shown in the bar."""
    pieces: list[Piece] = []
    for binding in bindings:
        if isinstance(binding, Binding) and binding.show:
            sign = shown_key(binding, glyphs)
            pieces += [(" ", ""), (sign, "key"), (f" {binding.description} ", "muted")]
    return tuple(pieces)


def shown_key(binding: Binding, glyphs: Glyphs) -> str:
    """Write a key as people know it."""
    sign = binding.key_display or key_names(binding.key)
    return {"↵": "enter"}.get(sign, sign) if glyphs.is_ascii else sign


_MOST_ROWS = 3
"""Of a sentence that is said; a longer one is cut."""
GOOD_NEWS_SECONDS = 6.0
"""How long what went well is said: after it the keys come back by themselves."""


class KeyBar(Lines):
    """Keys until something is said; what was said stays until the next key, good news less."""

    def __init__(self, bindings: Iterable[BindingType], glyphs: Glyphs, *, id: str = "bar") -> None:
        super().__init__(id=id)
        self._offered = tuple(bindings)
        self._glyphs = glyphs
        self._hints = hints(self._offered, glyphs)
        self._left_out: frozenset[str] = frozenset()
        self._said: Line = ()
        self._timer: Timer | None = None

    def leave_out(self, names: Collection[str]) -> None:
        """Offer all keys but these, by the ids of their bindings."""
        if self._left_out != frozenset(names):
            self._left_out = frozenset(names)
            self._offer()

    def on_mount(self) -> None:
        """Show the keys, those that a person chose in place of ours."""
        chosen = cast("AppProtocol", self.app).preferences.keymap
        self._offered = tuple(rebound(self._offered, chosen))
        self._offer()

    def _offer(self) -> None:
        kept = (one for one in self._offered if getattr(one, "id", "") not in self._left_out)
        self._hints = hints(kept, self._glyphs)
        self._show()

    def on_resize(self) -> None:
        """Fit again."""
        self._show()

    @property
    def said(self) -> str:
        """What is being said, "" when the keys are shown."""
        return "".join(text for text, _ in self._said).strip()

    def say(self, text: str, role: str = "warn", hint: str = "") -> None:
        """Say a sentence in place of the keys; ``hint`` follows, muted, where there is room."""
        self._said = ((f" {text}", role), (f"   {hint}" if hint else "", "muted"))
        self._show()
        self._forget_timer()
        if role == "done":
            self._timer = self.set_timer(GOOD_NEWS_SECONDS, self.be_quiet)

    def be_quiet(self) -> None:
        """Show the keys again."""
        self._forget_timer()
        if self._said:
            self._said = ()
            self._show()

    @on(Lines.Clicked)
    async def _hint_clicked(self, event: Lines.Clicked) -> None:
        """A click on a hint does what its key does."""
        event.stop()
        if self._said:
            return
        sign = self.lines[0][event.place // 3 * 3 + 1][0]
        for binding in self._offered:
            if not (isinstance(binding, Binding) and binding.show):
                continue
            if shown_key(binding, self._glyphs) == sign:
                await self.screen.run_action(binding.action)
                return

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _show(self) -> None:
        columns = self.size.width or 80
        if self._said:
            lines = _said_lines(self._said, columns)
        else:
            lines = [fit_line(_whole_hints(self._hints, columns), columns)]
        self.styles.height = len(lines)
        self.show(lines)


def _said_lines(said: Line, columns: int) -> list[Line]:
    """Write a sentence in full, over up to three rows; what follows it gives way."""
    (text, role), hint = said
    rows = wrap(text.strip(), columns - 2, _MOST_ROWS)
    *above, last = (((f" {row}", role),) for row in rows)
    return [*above, fit_line((*last, hint), columns)]


def _whole_hints(line: Line, columns: int) -> Line:
    """Leave out last hints rather than cut one; the help key at the end always stays."""
    groups = [line[place : place + 3] for place in range(0, len(line), 3)]
    while len(groups) > 2 and sum(map(width, groups)) > columns:
        groups.pop(-2)
    return tuple(piece for group in groups for piece in group)
