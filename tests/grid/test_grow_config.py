"""A config grows by what is asked for and by what that needs; what people wrote in it stays."""

from __future__ import annotations

import pytest

from tuilab.grid.grow_config import (
    GrowError,
    More,
    is_grown_from,
    more_from,
    variants_from,
    with_more,
)

from .planned import SMALL, load

SAID = SMALL.replace("epochs = [0, 1, 2]", "epochs = [0, 2]  # kept because")


def grown(more: More, text: str = SAID) -> str:
    made = with_more(text, load(text).config, more)
    load(made)  # it is a config again
    return made


def changed_lines(more: More, text: str = SAID) -> set[str]:
    return set(grown(more, text).splitlines()) - set(text.splitlines())


def test_an_epoch_takes_its_place_and_the_comment_stays() -> None:
    assert changed_lines(More(epochs=(1,))) == {"epochs = [0, 1, 2]  # kept because"}


def test_an_epoch_beyond_the_convergence_makes_that_longer() -> None:
    made = changed_lines(More(epochs=(3, 1)))
    assert made == {"epochs = [0, 1, 2, 3]  # kept because", "epochs = 3"}


def test_a_grown_config_is_known_as_the_one_that_it_grew_from() -> None:
    first = load(SAID).config
    for more in (
        More(epochs=(1, 7)),
        More(seeds=(43,)),
        More(sources=("clerk",)),
        variants_from(["B0", "data.seed=7", "marker.lr=1e-5"]),
    ):
        own = load(with_more(SAID, first, more)).config
        assert is_grown_from(own, first) and not is_grown_from(first, own), more
    other = load(SAID.replace("samples = 2", "samples = 3")).config
    assert not is_grown_from(other, first)


def test_a_seed_that_the_file_does_not_name_is_written_above_the_tables() -> None:
    text = SAID.replace("seeds = [42]\n", "")
    made = grown(More(seeds=(43,)), text)
    assert load(made).config.seeds == (42, 43)
    assert made.index("seeds = [42, 43]") < made.index("[base]")


def test_a_source_outside_the_panel_is_evaluated_too() -> None:
    text = SAID.replace(
        "[personas.assistant]", '[personas.poet]\nprompt = "x"\n[personas.assistant]'
    )
    made = load(grown(More(sources=("poet",)), text)).config
    assert made.sources == ("villain", "nurse", "poet")
    assert made.panel == ("villain", "nurse", "clerk", "assistant", "poet")


def test_what_an_extended_file_says_is_written_out_where_it_grows() -> None:
    top = 'extends = "under.toml"\nname = "over"\n'
    config = load(top, "over.toml", under=SAID).config
    made = with_more(top, config, More(epochs=(1,)))
    assert made == top + "epochs = [0, 1, 2]\n"


def test_lists_on_several_lines_keep_their_comments() -> None:
    text = SAID.replace(
        'sources = ["villain", "nurse"]', 'sources = [\n  "villain",  # bad\n  "nurse",\n]'
    ).replace("clerk", "poet")
    made = grown(More(sources=("poet",)), text.replace('default = ["poet"]', 'default = ["poet"]'))
    assert '"villain",  # bad' in made
    assert load(made).config.sources == ("villain", "nurse", "poet")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (More(sources=("vilain",)), "not a persona of this experiment (did you mean villain?)"),
        (More(sources=("poet",)), "add [personas.poet] with its prompt to experiment.toml first"),
        (More(sources=("nurse",), epochs=(0,)), "nothing to add"),
        (More(arms=("B",)), "nothing to add"),
        (variants_from(["marker.lr=1e-4"]), "nothing to add"),
        (variants_from(["marker.lrr=1e-4"]), "marker.lrr is not a setting of this experiment"),
    ],
)
def test_what_cannot_grow_says_why(more: More, said: str) -> None:
    with pytest.raises(GrowError, match=r"persona|nothing|setting") as refused:
        grown(more)
    assert said in str(refused.value)


def test_what_is_asked_goes_to_the_engine_and_comes_back() -> None:
    more = More(("poet",), (1, 3), (), ("B0",), (7,), {"marker.lr": (1e-5, 2.0)})
    assert more_from(more.as_json()) == more
    words = "--sources poet --epochs 1 3 --arms B0 --data-seeds 7 --axes marker.lr=1e-05,2"
    assert " ".join(more.as_words()) == words
    assert not more_from({})
    with pytest.raises(GrowError):
        more_from({"epochs": ["x"]})


def test_a_first_level_comes_with_the_config_s_own_so_that_no_finished_cell_leaves_the_grid() -> (
    None
):
    made = grown(variants_from(["marker.lr=1e-3,2e-3", "data.seed=7", "C"]))
    config = load(made).config
    assert config.axes == {"marker.lr": (1e-4, 1e-3, 2e-3)}
    assert (config.data_seeds, config.arms) == ((42, 7), ("B", "C"))
    again = load(grown(variants_from(["marker.lr=5e-3", "data.seed=8"]), made)).config
    assert again.axes == {"marker.lr": (1e-4, 1e-3, 2e-3, 5e-3)}
    assert again.data_seeds == (42, 7, 8)


@pytest.mark.parametrize(
    "word", ["D", "marker.lr", "marker.lr=", "=1", "data.seed=x", "data.seed=1.5"]
)
def test_a_word_that_is_no_variant_says_what_is_one(word: str) -> None:
    with pytest.raises(GrowError, match=r"write B, B0, A, C or a level|not a whole number"):
        variants_from([word])
