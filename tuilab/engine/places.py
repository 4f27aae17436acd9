"""The places where workers can run, by their name in ``resources.executor``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from tuilab.engine.host.local import Local
from tuilab.engine.host.place import Place
from tuilab.engine.host.ray import Ray
from tuilab.engine.host.remote import Remote, Scheduler
from tuilab.engine.host.slurm import Slurm
from tuilab.store.user_files import place_options

Options = Mapping[str, Any]
"""What ``[resources.<name>]`` says."""
SCHEDULERS: dict[str, Callable[[Options], Scheduler]] = {"slurm": Slurm, "ray": Ray}
PLACES = ("local", *SCHEDULERS)


def why_no_place(resources: Mapping[str, Any], on: str = "") -> str:
    """Say why workers cannot run where a config or ``on`` has them run; "" when they can.

    Asks nobody: whether the place answers is for the engine, and ``tuilab doctor --on``, to find.
    """
    name = on or str(resources.get("executor") or "local")
    places = resources.get("places") or {}
    strange = [one for one in (name, *places) if one not in PLACES and ":" not in one]
    if strange:
        return f"there is no place {strange[0]!r} to run on: use one of {', '.join(PLACES)}"
    try:
        if name in SCHEDULERS:
            SCHEDULERS[name](_options(resources, name))
    except ValueError as error:
        return str(error)
    return ""


def _options(resources: Mapping[str, Any], name: str) -> Options:
    """Return what the config says of a place, and the person's own config where that is silent."""
    return {**place_options(name), **((resources.get("places") or {}).get(name) or {})}


def take_options(place: Place, resources: Mapping[str, Any]) -> None:
    """Let later submissions follow the options of another plan; what runs stays as it was begun."""
    name = place.name.lower()
    if isinstance(place, Remote) and name in SCHEDULERS and not why_no_place(resources, name):
        place.scheduler = SCHEDULERS[name](_options(resources, name))


def place_for(resources: Mapping[str, Any], experiment: str, on: str = "") -> Place:
    """Return the place that a plan's resources name, or ``on`` instead.

    ``package.module:Class`` is one of somebody's own. ValueError for one that is not here, and for
    options that it does not know.
    """
    name = on or str(resources.get("executor") or "local")
    options = _options(resources, name)
    if ":" in name:
        module, _, body = name.partition(":")
        found: Place = getattr(importlib.import_module(module), body)(experiment, options)
        return found
    if why := why_no_place(resources, on):
        raise ValueError(why)
    return Local(experiment) if name == "local" else Remote(SCHEDULERS[name](options))
