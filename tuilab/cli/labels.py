"""Finds the labels that people read for an experiment's personas."""

from __future__ import annotations


def labels_of(root: object) -> dict[str, str]:
    """Return the labels of an experiment's personas; {} where there is no plan."""
    from pathlib import Path

    from tuilab.store.plan_file import PlanFileError, load_plan

    try:
        return dict(load_plan(Path(str(root))).labels)
    except PlanFileError:
        return {}
