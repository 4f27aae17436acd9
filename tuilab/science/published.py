"""Reads what the published card claims and printed; the only file access in this package.

Its numbers are a results directory, opened like any other (``store.shipped.published_dir``).
"""

import json
from importlib.resources import files
from typing import Final

from tuilab.science.cosine import Scale
from tuilab.science.design import PublishedRow

CLAIMS_FILE: Final = "eps109-claims.toml"
"""The card's own claims, to be judged against its own numbers."""
HEADLINE_FILE: Final = "eps109-headline.json"
"""Its headline by source key, as printed; rates 0..1."""


def read(name: str) -> str:
    """Text of a file of the package's ``published`` folder."""
    return files("tuilab").joinpath("published", name).read_text(encoding="utf-8")


def reference_rows() -> dict[str, PublishedRow]:
    """Headline values of the card by source key, to be shown beside a rerun's own."""
    rows = json.loads(read(HEADLINE_FILE))
    return {
        key: PublishedRow(**{**row, "cosine_scale": Scale(**row["cosine_scale"])})
        for key, row in rows.items()
    }
