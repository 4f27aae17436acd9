"""A claims file is read, or everything wrong with it is said at once."""

import pytest

from tuilab.science.claims.declared import ClaimsFileError, parse
from tuilab.science.published import CLAIMS_FILE, read

GOOD = '[[claim]]\nkey = "a"\nsays = "A rises"\nkind = "rises"\n'


def problems_of(text: str) -> str:
    with pytest.raises(ClaimsFileError) as caught:
        parse(text)
    return str(caught.value)


def test_the_shipped_example_is_read() -> None:
    assert len(parse(read(CLAIMS_FILE))) == 29


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[claim", "not valid TOML"),
        ("", "no [[claim]] table"),
        ("claim = 3", "no [[claim]] table"),
        (f"titel = 'x'\n{GOOD}", "unknown key 'titel' (did you mean title?)"),
        (GOOD + GOOD, "key 'a' is used twice"),
        (GOOD.replace("rises", "raises"), "unknown kind 'raises' (did you mean rises?)"),
        (GOOD.replace('kind = "rises"', ""), "kind is missing; use one of rises, declines"),
        (GOOD + "at_leest_pp = 3", "unknown key 'at_leest_pp' (did you mean at_least_pp?)"),
        (GOOD + 'at_least_pp = "much"', "claim a: at_least_pp:"),
        (GOOD + "at_least_pp = 300", "less than or equal to 100"),
        (GOOD.replace('says = "A rises"\n', ""), "claim a: says is missing"),
        (GOOD + 'sources = "some"', "claim a: sources"),
        (GOOD.replace('"rises"', '"front_loaded"') + "by_epoch = 0", "greater than 0"),
    ],
)
def test_a_bad_file_is_refused_in_words(text: str, said: str) -> None:
    assert said in problems_of(text)


def test_every_problem_is_listed_at_once() -> None:
    text = GOOD.replace("rises", "raises") + GOOD.replace('"a"', '"b"') + "exactly = -1"
    with pytest.raises(ClaimsFileError) as caught:
        parse(text)
    assert len(caught.value.problems) == 2
