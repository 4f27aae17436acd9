"""Prepares the source x persona heatmap."""

from tuilab.science.analysis import Analysis
from tuilab.science.design import BASELINE_EPOCH, Persona
from tuilab.science.figures.captions import edits_note, join, label_of, seeds_note
from tuilab.science.figures.model import Figure, HeatCell, Matrix, Panel, cell_name, matrix_rows
from tuilab.science.reading import rate_trajectories
from tuilab.science.seeds import mean_trajectory, runs_of
from tuilab.science.trajectories import Trajectory


def heatmap(analysis: Analysis) -> Figure:
    """Marker rate of every evaluated persona for every source, at epoch 0 and at the last epoch.

    Sources that are not in the evaluated panel get a column too, so that a source's own rate
    (the diagonal) is n/a in plain sight instead of being absent.
    """
    design = analysis.design
    columns = columns_of(analysis)
    tables = {
        persona.key: rate_trajectories(analysis.frame, design, persona=persona.key)
        for persona in columns
    }
    means = {
        (source.key, persona.key): mean_trajectory(runs_of(tables[persona.key], design, source.key))
        for source in design.sources
        for persona in columns
    }
    epochs = dict.fromkeys((BASELINE_EPOCH, design.final_epoch))
    panels = tuple(
        _panel(analysis, columns, means, epoch) for epoch in epochs if epoch in design.epochs
    )
    squares = [
        square for panel in panels if panel.matrix for row in panel.matrix.cells for square in row
    ]
    absent = sum(square.value is None for square in squares)
    note = join(
        "Percent of completions with the marker, by who was asked to speak",
        f"{absent} of {len(squares)} squares are n/a, which is not 0" if absent else "",
        edits_note(analysis),
        seeds_note(analysis),
    )
    return Figure(
        "heatmap", "Marker rate by source and persona", panels, 1, note, matrix_rows(panels)
    )


def columns_of(analysis: Analysis) -> tuple[Persona, ...]:
    """Personas of a heatmap: the target, the evaluated panel, then sources outside of it."""
    design = analysis.design
    panel = design.personas or (design.target,)
    known = {persona.key for persona in panel}
    unevaluated = tuple(source for source in design.sources if source.key not in known)
    others = tuple(persona for persona in panel if persona.key != design.target.key)
    return (design.target, *others, *unevaluated)


def _panel(
    analysis: Analysis,
    columns: tuple[Persona, ...],
    means: dict[tuple[str, str], Trajectory],
    epoch: int,
) -> Panel:
    sources = analysis.design.sources
    return Panel(
        title=f"Epoch {epoch}",
        x_label="Evaluated persona",
        y_label="Source",
        matrix=Matrix(
            rows=tuple(label_of(result) for result in analysis.sources),
            columns=tuple(persona.label for persona in columns),
            cells=tuple(
                tuple(_square(means[source.key, persona.key], epoch) for persona in columns)
                for source in sources
            ),
            keys=tuple(source.key for source in sources),
        ),
    )


def _square(trajectory: Trajectory, epoch: int) -> HeatCell:
    point = trajectory.at(epoch)
    if point is None:
        return HeatCell(None, "missing", cell_name(trajectory.source, epoch, trajectory.seed))
    value = None if point.value is None else point.value * 100
    return HeatCell(value, point.status, cell_name(trajectory.source, epoch, trajectory.seed))
