"""The person's config: every entry says what it is for, and the template can be read back."""

from __future__ import annotations

import tomllib

import pytest
from pydantic import ValidationError

from tuilab.grid.user_config import UserConfig, as_markdown, as_toml, entries


def test_every_entry_has_a_meaning() -> None:
    assert [one.name for one in entries() if not one.meaning] == []
    assert {one.table for one in entries()} == {
        "",
        "keys",
        "commands",
        "places",
        "notify",
        "price",
    }


def test_the_template_is_the_default_and_every_line_of_it_may_be_taken_in() -> None:
    lines = list(as_toml(UserConfig()))
    assert UserConfig.model_validate(tomllib.loads("\n".join(lines))) == UserConfig()
    taken = [
        line.removeprefix("# ") if " = " in line and line.count("# ") else line for line in lines
    ]
    for line in (line for line in taken if line.split(" = ")[0] in {e.name for e in entries()}):
        tomllib.loads(line)
    assert "solarized-light" in "\n".join(as_toml(UserConfig()))  # a line ends at no hyphen


def test_what_differs_from_the_default_is_no_comment() -> None:
    config = UserConfig.model_validate(
        {
            "theme": "nord",
            "keys": {"grid.stop": "X"},
            "places": {"slurm": {"options": ["--partition=gpu"], "look_seconds": 30}},
            "price": {"gpu_hour": 2.5},
        }
    )
    raw = tomllib.loads("\n".join(as_toml(config)))
    assert raw == {
        "theme": "nord",
        "keys": {"grid.stop": "X"},
        "commands": {},
        "places": {"slurm": {"options": ["--partition=gpu"], "look_seconds": 30}},
        "notify": {},
        "price": {"gpu_hour": 2.5},
    }


def test_a_metric_may_be_named_by_its_short_name() -> None:
    assert UserConfig(metric="leakage").metric == "assistant_leakage"
    with pytest.raises(ValidationError):
        UserConfig(metric="")


def test_the_reference_has_a_line_for_each_entry() -> None:
    assert as_markdown().count("\n") == len(list(entries())) + 2
