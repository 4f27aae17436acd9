"""The places where workers can run, by their name in ``resources.executor``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuilab.engine.host.local import Local
from tuilab.engine.host.place import Place

PLACES: dict[str, Callable[[str], Place]] = {"local": Local}


def place_for(resources: Mapping[str, Any], experiment: str) -> Place:
    """Return the place that a plan's resources name, for the workers of the experiment with an id.

    ValueError for one that is not here.
    """
    name = str(resources.get("executor") or "local")
    if name not in PLACES:
        raise ValueError(f"there is no executor {name!r}: use one of {', '.join(PLACES)}")
    return PLACES[name](experiment)
