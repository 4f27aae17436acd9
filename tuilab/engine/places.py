"""The places where workers can run, by their name in ``resources.executor``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from tuilab.engine.host.local import Local
from tuilab.engine.host.place import Place
from tuilab.engine.host.remote import Remote
from tuilab.engine.host.slurm import Slurm

Options = Mapping[str, Any]
"""What ``[resources.<name>]`` says."""
PLACES: dict[str, Callable[[str, Options], Place]] = {
    "local": lambda experiment, options: Local(experiment),
    "slurm": lambda experiment, options: Remote(Slurm(options)),
}
"""Each is made for the workers of the experiment with an id."""


def place_for(resources: Mapping[str, Any], experiment: str, on: str = "") -> Place:
    """Return the place that a plan's resources name, or ``on`` instead.

    ``package.module:Class`` is one of somebody's own. ValueError for one that is not here, and for
    options that it does not know.
    """
    name = on or str(resources.get("executor") or "local")
    options = (resources.get("places") or {}).get(name) or {}
    if ":" in name:
        module, _, body = name.partition(":")
        found: Place = getattr(importlib.import_module(module), body)(experiment, options)
        return found
    if name not in PLACES:
        raise ValueError(f"there is no executor {name!r}: use one of {', '.join(PLACES)}")
    return PLACES[name](experiment, options)
