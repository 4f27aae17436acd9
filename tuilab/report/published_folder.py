"""Makes the shipped results directory of the card's data: python -m tuilab.report.published_folder

The directory is generated, never edited: card.json, leakage.csv and cosine.csv are the data.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from tuilab.contract import atomic
from tuilab.report import declared_card
from tuilab.report.import_results import results_files
from tuilab.science import published

NAME, REFERENCE = "published", "eps109"


def published_files() -> dict[str, bytes]:
    """Return measurements.csv and design.json as the card's data make them."""
    card = published.load()
    provenance: dict[str, object] = {
        "card": card.design.name,
        "note": card.provenance,
        "facts": list(card.facts),
    }
    provenance |= declared_card.parse(published.read("run-card.toml")).record
    design = replace(card.design, name=NAME)
    return results_files(card.measurements, design, provenance, REFERENCE)


def main() -> int:
    """Write the two files beside the card's data."""
    folder = Path(__file__).parents[1] / "published"
    for name, data in published_files().items():
        atomic.write_bytes(folder / name, data)
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
