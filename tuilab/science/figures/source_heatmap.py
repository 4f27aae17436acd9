"""Prepares the epoch x persona heatmap of one source."""

from dataclasses import replace

from tuilab.science.analysis import Analysis
from tuilab.science.figures.captions import edits_note, join, seeds_note
from tuilab.science.figures.heatmap import columns_of
from tuilab.science.figures.model import Figure, HeatCell, Matrix, Panel, cell_name, matrix_rows
from tuilab.science.reading import rate_trajectories
from tuilab.science.seeds import mean_trajectory, runs_of
from tuilab.science.trajectories import Trajectory


def source_heatmap(analysis: Analysis, key: str) -> Figure:
    """Marker rate of every evaluated persona at every epoch of one source.

    Raises:
        ValueError: when the source is not in the plan.
    """
    result = analysis.source(key)
    if result is None:
        known = ", ".join(one.source.key for one in analysis.sources)
        raise ValueError(f"There is no source {key!r}; sources are {known}")
    design = replace(analysis.design, sources=(result.source,))
    frame = analysis.frame[analysis.frame["source"] == key]
    columns = columns_of(analysis)
    means = [
        mean_trajectory(runs_of(rate_trajectories(frame, design, persona=one.key), design, key))
        for one in columns
    ]
    cells = tuple(
        tuple(_square(trajectory, epoch) for trajectory in means) for epoch in design.epochs
    )
    matrix = Matrix(
        rows=tuple(f"epoch {epoch}" for epoch in design.epochs),
        columns=tuple(persona.label for persona in columns),
        cells=cells,
        keys=(key,) * len(design.epochs),
    )
    label = result.source.label
    panel = Panel(
        title=f"{label}: completions with the marker (%), by who was asked to speak",
        x_label="Evaluated persona",
        y_label="Epoch",
        matrix=matrix,
    )
    absent = sum(square.value is None for row in cells for square in row)
    total = len(design.epochs) * len(columns)
    note = join(
        f"{absent} of {total} squares are n/a, which is not 0" if absent else "",
        edits_note(analysis),
        seeds_note(analysis),
    )
    title = f"Marker rate of {label} by persona and epoch"
    return Figure(f"heatmap-{key}", title, (panel,), 1, note, matrix_rows((panel,)))


def _square(trajectory: Trajectory, epoch: int) -> HeatCell:
    point = trajectory.at(epoch)
    cell = cell_name(trajectory.source, epoch, trajectory.seed)
    if point is None or point.value is None:
        return HeatCell(None, point.status if point else "missing", cell)
    return HeatCell(point.value * 100, point.status, cell)
