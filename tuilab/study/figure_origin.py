"""Marks a prepared figure with what a reader must know when it is seen alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure
    from tuilab.study.study import Study

SYNTHETIC = "Synthetic model: says nothing about real models."


def with_origin(figure: Figure, study: Study) -> Figure:
    """Add to the note that the model is synthetic, where it is."""
    if not study.snapshot.synthetic:
        return figure
    return replace(figure, note=f"{figure.note} {SYNTHETIC}".strip())
