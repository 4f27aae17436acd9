"""Records what an adapter was trained on, since PEFT would silently load it onto any base."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

LINEAGE_FILE = "lineage.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Lineage:
    """The model that an adapter was trained on, by content and not by name."""

    role: str
    """``convergence`` or ``marker``."""
    base_model: str
    base_revision: str | None
    base_fingerprint: str
    """Of the untouched base in the dtype it was used in."""
    source: str | None
    seed: int | None
    epoch: int | None
    """Convergence epoch of this adapter, or of the cell it was trained for."""
    merge_mode: str
    """``merged`` or ``stacked``: how the convergence adapter was applied."""
    convergence_adapter: str | None
    """sha256 of the convergence weights under a marker adapter; None on the untouched base."""
    trained_on: str
    """Fingerprint of the weights the adapter was trained on."""
    data_sha256: str
    """Hash of the training rows with their masks."""
    schema: int = SCHEMA

    def write(self, directory: Path) -> None:
        """Write lineage.json into an adapter's directory."""
        atomic.write_json(directory / LINEAGE_FILE, asdict(self))


def read_lineage(directory: Path) -> Lineage:
    """Read lineage.json; JobError (adapter-mismatch) when it is broken."""
    path = directory / LINEAGE_FILE
    try:
        return Lineage(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise JobError(Reason.ADAPTER_MISMATCH, f"{path} cannot be used: {error}") from error


def refuse_other_base(lineage: Lineage, base_fingerprint: str) -> None:
    """Refuse an adapter that was trained on other base weights."""
    if lineage.base_fingerprint != base_fingerprint:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"the {lineage.role} adapter was trained on base {lineage.base_fingerprint[:12]} "
            f"({lineage.base_model}), this is {base_fingerprint[:12]}",
        )


def refuse_other_convergence(lineage: Lineage, digest: str | None, merge_mode: str) -> None:
    """Refuse a marker adapter that was trained on another convergence checkpoint."""
    if lineage.convergence_adapter != digest:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            "the marker adapter was trained on another convergence checkpoint: "
            f"{(lineage.convergence_adapter or 'none')[:12]} instead of {(digest or 'none')[:12]}",
        )
    if lineage.merge_mode != merge_mode:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"the marker adapter was trained {lineage.merge_mode}, the cell is {merge_mode}",
        )
