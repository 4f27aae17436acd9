"""A launch is recorded as it was asked for: the person's own words, and whose code it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tuilab import __version__
from tuilab.engine.host.provenance import asked_command, keep_code, launch_provenance


def test_the_command_a_person_gave_is_kept_without_its_secrets() -> None:
    words = ["python", "tuilab", "run", "tiny", "--set", "HF_TOKEN=abcdefgh"]
    kept = asked_command(json.dumps(words))
    assert kept is not None
    assert kept[:4] == words[:4]
    assert "abcdefgh" not in " ".join(kept)


@pytest.mark.parametrize("text", ["", "no json", '"a word"', "7"])
def test_an_engine_that_nobody_asked_for_records_none(text: str) -> None:
    assert asked_command(text) is None


def test_the_version_is_known_even_where_no_checkout_is() -> None:
    assert launch_provenance()["tuilab"] == __version__


def test_a_disk_that_takes_no_copy_of_the_code_keeps_nothing_of_it(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        for number in range(40):
            keep_code(small_disk / str(number))
    assert list((small_disk / str(number)).rglob("*.draft")) == []
    assert os.statvfs(small_disk).f_bavail > 0
