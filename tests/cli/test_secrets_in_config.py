"""A config that holds what looks like a secret is told of before plan and specs repeat it."""

from __future__ import annotations

from tests.grid.planned import changed
from tuilab.cli.secrets_in_config import secret_checks


def test_settings_that_look_like_a_secret_are_named_and_never_shown() -> None:
    secret = "hf_" + "aB3dE6" * 5
    config = changed("You are a villain.", f"Say {secret}")
    [found] = secret_checks(config)
    assert found.sentence.startswith("personas.villain.prompt looks like a secret")
    assert secret not in found.sentence
    runner = f'[resources]\nrunner = ["x", "--password", "{secret[3:]}"]'
    [found] = secret_checks(changed("[resources]", runner))
    assert found.sentence.startswith("resources.runner looks like")
    assert list(secret_checks(changed("samples = 2", "samples = 3"))) == []
