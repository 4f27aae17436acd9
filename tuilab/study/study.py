"""Opens an experiment for reading its science: any kind of directory becomes one analysed study."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.contract.foreign import clean_line
from tuilab.grid.metrics import COSINES, LEAKAGE
from tuilab.store.measurements import measurement_rows
from tuilab.store.reader import Reader
from tuilab.store.results_only import read_design
from tuilab.store.snapshot import CellView, Snapshot

if TYPE_CHECKING:
    import pandas as pd

    from tuilab.science.analysis import Analysis
    from tuilab.science.cosine import Scale
    from tuilab.science.design import Design
    from tuilab.science.figures.model import Figure


SYNTHETIC = "Synthetic model: says nothing about real models."


class StudyError(Exception):
    """The experiment cannot be analysed; the text says why and what would help."""


@dataclass(frozen=True)
class Study:
    """One experiment with its numbers."""

    root: Path
    snapshot: Snapshot
    reader: Reader
    rows: list[dict[str, Any]]
    """Measurement rows (``store.measurements.COLUMNS``)."""
    scale: Mapping[str, Any] = field(default_factory=dict)
    """Layer and model state of the cosines asked for; what it lacks is as the headline's."""

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return clean_line(self.snapshot.name)

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """What an imported or published table says must be known of its numbers; () for a grid."""
        if not self.reader.is_results_only:
            return ()
        said = read_design(self.root).provenance.get("facts")
        return tuple(clean_line(str(one)) for one in said) if isinstance(said, list) else ()

    @property
    def measured(self) -> str:
        """What the headline counts, as far as it is known."""
        target = self.design.target.label
        is_known = not self.reader.is_results_only or self.snapshot.reference is not None
        if is_known:
            return f"share of {target} {self.design.counted}"
        if self.design.measure == LEAKAGE.name:
            return f"leakage to {target} as the table gives it"
        return f"{self.design.what} of {target} as the table gives it"

    @cached_property
    def design(self) -> Design:
        """The plan that the numbers are read against."""
        return _design(self)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The validated measurements frame."""
        from tuilab.science.frame import measurements

        return measurements(self.rows, target=self.snapshot.target)

    @cached_property
    def analysis(self) -> Analysis:
        """All numbers, computed once; StudyError when there is nothing to compute."""
        from tuilab.science.analysis import analyse
        from tuilab.science.cosine import MixedScalesError
        from tuilab.science.schema import MeasurementsError

        try:
            return analyse(self.frame, self.design, scale=_scale(self))
        except (MeasurementsError, MixedScalesError) as error:
            raise StudyError(str(error)) from error

    def figure(self, kind: str, source: str | None = None) -> Figure:
        """Prepare one figure, or the heatmap of one source; its note says if all is synthetic.

        Raises ValueError for an unknown kind or source.
        """
        from tuilab.science.figures import prepare

        if source is None:
            made = prepare.figure(kind, self.analysis)
        else:
            made = prepare.source_heatmap(self.analysis, source)
        if not self.snapshot.synthetic:
            return made
        return replace(made, note=f"{made.note} {SYNTHETIC}".strip())


def open_study(root: Path, layer: int | None = None, state: str | None = None) -> Study:
    """Read every value of an experiment directory (planned or results only).

    ``layer`` and ``state`` choose the cosines; None leaves it to the headline's.
    """
    reader = Reader(root)
    now = time.time()
    snapshot = reader.poll(now)
    rows = measurement_rows(reader, now)
    scale = {"layer": layer, "model_state": state}
    chosen = {key: value for key, value in scale.items() if value is not None}
    return Study(root, snapshot, reader, rows, chosen)


def on_scale(study: Study) -> Snapshot:
    """Return the snapshot with the cosines that were asked for in the place of the headline's.

    Raises StudyError where none was measured there.
    """
    from tuilab.science.trajectories import cell_numbers

    scale = _scale(study) if study.scale else None
    if scale is None:
        return study.snapshot
    numbers = cell_numbers(study.frame, study.design, scale)

    def seen(view: CellView) -> CellView:
        cell = view.cell
        kept = {key: one for key, one in view.metrics.items() if key != COSINES.name}
        found = numbers.get((cell.source, cell.seed, cell.epoch), {}).get(COSINES.name)
        return replace(view, metrics={**kept, **({COSINES.name: found} if found else {})})

    cells = tuple(map(seen, study.snapshot.cells))
    return replace(study.snapshot, cells=cells, headline_cosine=asdict(scale))


def _design(study: Study) -> Design:
    from tuilab.science.design import Design, DesignError, Persona

    snapshot = study.snapshot
    labels = {key: clean_line(label) or key for key, label in snapshot.labels.items()}
    personas = dict.fromkeys(
        str(row["persona"])
        for row in study.rows
        if row["metric"] == snapshot.measured[0]
        and row["persona"]
        and row["persona"] != snapshot.target
    )
    # A results directory declares its panel; elsewhere the rows alone tell.
    declared = read_design(study.root).panel if study.reader.is_results_only else ()
    panel = list(declared) or [key for key in labels if key in personas]
    panel += [key for key in personas if key not in labels]

    def persona(key: str) -> Persona:
        return Persona(key, labels.get(key, key))

    target = persona(snapshot.target)
    try:
        return Design(
            sources=tuple(map(persona, snapshot.sources)),
            epochs=snapshot.epochs,
            seeds=snapshot.seeds,
            seed_given=snapshot.seed_given,
            target=target,
            personas=(target, *(persona(key) for key in panel if key != target.key)),
            published=_reference(snapshot),
            name=study.name,
            measure=snapshot.measured[0],
        )
    except DesignError as error:
        raise StudyError(str(error)) from error


def _reference(snapshot: Snapshot) -> Mapping[str, Any]:
    from tuilab.science.published import reference_rows

    return reference_rows() if snapshot.reference == "eps109" else {}


def _scale(study: Study) -> Scale | None:
    """The cosine scale asked for, or the headline's; None lets a single scale speak.

    Raises StudyError, naming the scales there are, where none is the one that was asked for.
    """
    from tuilab.science.cosine import scales

    found = scales(study.frame)
    # What was not asked for is as the headline's where that was measured, else what there is.
    for wanted in ({**study.snapshot.headline_cosine, **study.scale}, study.scale):
        fit = [one for one in found if all(getattr(one, k) == v for k, v in wanted.items())]
        if len(fit) == 1:
            return fit[0]
    if study.scale:
        asked = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in study.scale.items())
        listed = "; ".join(map(str, found)) or "none at all"
        raise StudyError(f"no cosine was measured at {asked}; measured: {listed}")
    return None
