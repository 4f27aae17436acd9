"""Notes and tags: folded from the journal, told in its history."""

from __future__ import annotations

import pytest

from tuilab.grid.history import events_of
from tuilab.grid.ledger import Ledger
from tuilab.grid.notes import Note, read_tags

LINES = [
    {"seq": 1, "kind": "noted", "cells": ["a@1#42", "b@1#42"], "text": "odd", "tags": ["check"],
     "untag": [], "by": "ann@pod"},
    {"seq": 2, "kind": "noted", "cells": ["a@1#42"], "text": None, "tags": ["good"],
     "untag": ["check"], "by": "bob@pod"},
    {"seq": 3, "kind": "noted", "cells": [], "text": "for the appendix", "by": "ann@pod"},
    {"seq": 4, "kind": "noted", "cells": ["b@1#42"], "text": "", "tags": [], "by": "ann@pod"},
]  # fmt: skip


def test_a_later_line_changes_what_it_names_and_keeps_the_rest() -> None:
    ledger = Ledger()
    ledger.fold(LINES)
    assert ledger.notes["a@1#42"] == Note("odd", ("good",), "bob@pod")
    assert str(ledger.notes["a@1#42"]) == "#good odd"
    assert ledger.notes[""] == Note("for the appendix", (), "ann@pod")
    assert ledger.notes["b@1#42"] == Note("", ("check",), "ann@pod")


def test_the_history_tells_each_change() -> None:
    assert [event.text for event in events_of(LINES)] == [
        "ann@pod noted of a@1#42, b@1#42: +#check odd",
        "bob@pod noted of a@1#42: +#good -#check",
        "ann@pod noted: for the appendix",
        "ann@pod noted of b@1#42: note removed",
    ]


def test_tags_are_read_with_or_without_their_sign() -> None:
    assert read_tags(["#Good, check", "look-again"]) == ("good", "check", "look-again")
    for wrong in ("#", "a b!", "x" * 41):
        with pytest.raises(ValueError, match="not a tag"):
            read_tags([wrong])
