"""What the card of a table declares, and what contradicts it."""

from __future__ import annotations

import pytest

from tuilab.report.declared_card import DECLARED, CardFileError, parse, with_declared
from tuilab.report.run_card import Field

CARD = [Field("Eval", "n per cell", "200 and 600"), Field("Cosine", "Layers", "")]
CARD += [Field("Cosine", "Pool", "")]


DECLARATION = """
lab = "ours"
[Eval]
"n per cell" = "10 x 20 = 200"
[Cosine]
Layers = 15
"""


def test_each_declared_field_says_how_far_it_can_be_trusted() -> None:
    table = {"Eval: n per cell": [200, 600], "Cosine: Pool": ["panel"]}
    free, n, layers, pool = with_declared(CARD, parse(DECLARATION), table)
    assert free.said == f"ours ({DECLARED})"
    assert n.said == "200 and 600 (declared as 10 x 20 = 200: contradicted by the table: 600)"
    assert layers.said == f"15 ({DECLARED})"
    assert pool.said == "panel"
    told = parse('[Cosine]\nLayers = 15\n[contradicted]\n"Cosine: Layers" = "the log"\n')
    assert with_declared(CARD, told, {})[1].said == "15 (contradicted by the log)"
    assert with_declared(CARD, parse(""), {}) == CARD


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = [", "is not valid TOML"),
        ('[Cosin]\nLayers = "1"', "did you mean Cosine"),
        ('[Cosine]\nlayer = "1"', "did you mean Layers"),
        ("[Cosine]\nLayers = [1]", "is not one text"),
        ('[contradicted]\n"Cosine: Layers" = "the log"', "is not declared here"),
        ('contradicted = "all"', "is not one text"),
    ],
)
def test_a_card_that_cannot_be_used_says_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(CardFileError, match=said):
        parse(text)
