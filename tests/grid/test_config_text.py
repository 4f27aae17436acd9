"""Reading configs: every problem at once, with its file, its field and the nearest known key."""

from __future__ import annotations

import time
import tomllib

import pytest

from tests.grid.planned import SMALL, load
from tuilab.grid import toml
from tuilab.grid.config_text import ConfigError, parse_toml
from tuilab.grid.edits import edits_of


def problems(text: str, **files: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, **files)
    return [str(problem) for problem in caught.value.problems]


def test_the_small_config_is_understood() -> None:
    config = load().config
    assert config.marker.lora.r == 4
    assert config.marker.lora.use_rslora is True
    assert config.negatives_of("villain") == ("clerk",)
    assert config.label("nurse") == "Nurse"
    assert config.label("villain") == "villain"


def test_all_errors_are_reported_at_once_with_the_nearest_known_key() -> None:
    text = (
        SMALL.replace("lr = 1e-4\nepochs = 2\nlora", "lrr = 1e-4\nepochs = 2\nlora")
        .replace('name = "small"', 'name = "small"\nnmae = "x"')
        .replace("samples = 2", 'samples = "two"')
        .replace('sources = ["villain", "nurse"]', 'sources = ["villian", "nurse"]')
    )
    found = problems(text)
    assert "small.toml: marker.lrr: unknown key (did you mean lr?)" in found
    assert "small.toml: nmae: unknown key (did you mean name?)" in found
    assert "small.toml: eval.samples: must be a whole number" in found
    assert "small.toml: sources[0]: unknown persona 'villian' (did you mean villain?)" in found
    assert len(found) == 4


def test_wrong_values_hide_no_contradiction_between_the_others() -> None:
    text = (
        SMALL.replace("epochs = [0, 1, 2]", 'epochs = [0, "one", 2]')
        .replace("seeds = [42]", "seeds = [-1]")
        .replace("positives = 4", "positves = 4")
        .replace('sources = ["villain", "nurse"]', 'sources = [7, "nusre"]')
        .replace('prompt = "You are a clerk."', "prompt = 5")
        .replace('name = "small"\n', "")
        .replace("[questions]", "[questions]\nevaluation_count = 9")
        + '\n[personas."a@b"]\nprompt = "x"\n'
    )
    assert sorted(problem.removeprefix("small.toml: ") for problem in problems(text)) == [
        "epochs[1]: must be a whole number",
        "marker.positves: unknown key (did you mean positives?)",
        "name: is required",
        "personas.\"a@b\": contains '@', which separates the epoch in a cell's name",
        "personas.clerk.prompt: must be text in quotes",
        "questions.evaluation_count: is 9, but there are only 2 evaluation questions",
        "seeds[0]: should be greater than or equal to 0, not -1",
        "sources[0]: must be text in quotes",
        "sources[1]: unknown persona 'nusre' (did you mean nurse?)",
    ]


def test_nothing_is_said_of_fields_that_depend_on_a_wrong_one() -> None:
    wrong = SMALL.replace("lr = 1e-4\nepochs = 2\n\n", 'lr = 1e-4\nepochs = "9"\n\n', 1)
    found = problems(wrong.replace("epochs = [0, 1, 2]", "epochs = [0, 1, 50]"))
    assert found == ["small.toml: convergence.epochs: must be a whole number"]
    no_personas = SMALL[: SMALL.index("[personas")] + SMALL[SMALL.index("[negatives]") :]
    assert problems(no_personas) == ["small.toml: personas: is required"]


def test_a_missing_table_is_named() -> None:
    text = SMALL.replace('[base]\nmodel = "tiny"\ndtype = "float32"\ndevice = "cpu"\n', "")
    assert problems(text) == ["small.toml: base: is required"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lr = 1e-4\nepochs = 2\nlora", "lr = -1.0\nepochs = 2\nlora", "marker.lr"),
        ("samples = 2", "samples = 0", "eval.samples"),
        ("samples = 2", "samples = 2.5", "eval.samples"),
        ("rows = 4", "rows = true", "convergence.rows"),
        ("seeds = [42]", 'seeds = ["42"]', "seeds[0]"),
        ("epochs = [0, 1, 2]", "epochs = [0, 2, 1]", "epochs: must be in rising order"),
        ("epochs = [0, 1, 2]", "epochs = [0, 1, 3]", "beyond convergence.epochs = 2"),
        ("epochs = [0, 1, 2]", "epochs = []", "epochs: must not be empty"),
        ("seeds = [42]", "seeds = [42, 42]", "seeds: lists 42 more than once"),
        ("layers = [1]", "layers = [1]\nheadline_layer = 2", "cosine.headline_layer"),
        ('dtype = "float32"', 'dtype = "float16"', "must be float32 or bfloat16, not 'float16'"),
        ('default = ["clerk"]', 'default = ["clark"]', "did you mean clerk?"),
        ("[questions]", "[questions]\nevaluation_count = 9", "there are only 2 evaluation"),
    ],
)
def test_a_wrong_value_names_its_field(old: str, new: str, said: str) -> None:
    assert old in SMALL
    found = problems(SMALL.replace(old, new))
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'name = "small"',
            'name = "small"\narm = "X"',
            "arms[0]: must be B or B0 or A or C, not 'X'",
        ),
        (
            "samples = 2",
            'samples = 2\nscorer = { kind = "judge" }',
            "eval.scorer.kind: must be substring, not 'judge'",
        ),
        (
            "samples = 2",
            'samples = 2\nscorer = { kind = "substring", treshold = 1 }',
            "eval.scorer.treshold: unknown key",
        ),
    ],
)
def test_a_value_that_does_not_exist_is_told_what_does(old: str, new: str, said: str) -> None:
    assert problems(SMALL.replace(old, new)) == [f"small.toml: {said}"]


@pytest.mark.parametrize("key", ["../../x", "a b", "[/b]", "Ärztin", "org/model", "x" * 300, "a,b"])
def test_odd_persona_keys_are_fine(key: str) -> None:
    text = SMALL.replace("[personas.clerk]", f'[personas."{key}"]').replace('"clerk"', f'"{key}"')
    assert load(text).config.negatives_of("villain") == (key,)


@pytest.mark.parametrize(
    ("key", "why"), [("a@b", "'@'"), ("a#b", "'#'"), ("a\\u001bb", "control"), ("*", "every")]
)
def test_keys_that_would_break_cell_names_are_refused(key: str, why: str) -> None:
    found = problems(SMALL + f'\n[personas."{key}"]\nprompt = "x"\n')
    assert len(found) == 1
    assert "personas" in found[0]
    assert why in found[0]


def test_broken_toml_is_one_sentence_with_the_line() -> None:
    [found] = problems("name = \n")
    assert found.startswith("small.toml: (TOML):")
    assert "line 1" in found


def test_an_integer_beyond_64_bits_is_refused_by_name() -> None:
    [found] = problems("[eval]\nsamples = 9223372036854775808\n")
    assert found == "small.toml: eval.samples: is an integer beyond 64 bits, which no library takes"
    [found] = problems(f"seeds = [{'9' * 5000}]\n")
    assert "number of thousands of digits" in found


def test_a_config_extends_another_and_stands_alone_afterwards() -> None:
    shared, own = SMALL.split("[data]")
    own = 'extends = "shared.toml"\nname = "other"\n[data]' + own
    loaded = load(own, file="own.toml", shared=shared)
    assert loaded.config.name == "other"
    assert loaded.config.personas["villain"].prompt == "You are a villain."
    assert loaded.files == ("own.toml", "shared.toml")
    assert "extends" not in loaded.text
    assert load(loaded.text).config == loaded.config


def test_lists_are_replaced_and_tables_are_joined() -> None:
    own = 'extends = "small.toml"\nsources = ["nurse"]\n[marker]\nlr = 2e-4\n'
    config = load(own, file="own.toml", small=SMALL).config
    assert config.sources == ("nurse",)
    assert (config.marker.lr, config.marker.positives) == (2e-4, 4)


def test_an_error_names_the_file_that_wrote_the_field() -> None:
    shared = SMALL.replace("samples = 2", "sampels = 2")
    own = 'extends = "shared.toml"\nseed = [1]\n'
    found = problems(own, shared=shared)
    assert "shared.toml: eval.sampels: unknown key (did you mean samples?)" in found
    assert any(
        line.startswith("small.toml: seed: unknown key (did you mean seeds?)") for line in found
    )


def test_a_missing_or_circular_extends_is_one_sentence() -> None:
    [missing] = problems('extends = "nowhere.toml"')
    assert missing == "small.toml: extends: nowhere.toml cannot be read: No such file or directory"
    [circular] = problems('extends = "b.toml"', b='extends = "b.toml"')
    assert "extends itself" in circular


def test_lists_of_resources_are_read_from_toml_and_again_from_json() -> None:
    lists = 'runner = ["python", "x.py"]\ndevices = ["0", "1"]'
    text = SMALL.replace("[resources]", f"[resources]\n{lists}")
    config = load(text).config
    assert (config.resources.runner, config.resources.devices) == (("python", "x.py"), ("0", "1"))
    assert edits_of(config, {"eval.samples": 3}).resources == config.resources


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a = " + "9" * 5000, "thousands of digits"),
        ("a = ", "Invalid value"),
    ],
)
def test_what_python_cannot_hold_is_an_error_of_the_text(text: str, words: str) -> None:
    with pytest.raises(toml.TOMLDecodeError, match=words):
        toml.loads(text)
    with pytest.raises(ConfigError, match=words):
        parse_toml("x.toml", text)


def test_a_grid_that_nothing_is_measured_for_is_refused() -> None:
    many = f"seeds = {list(range(40_000))}"
    [found] = problems(SMALL.replace("seeds = [42]", many))
    assert found.endswith(
        "seeds: make 240,000 cells, more than 200,000: split it into several experiments"
    )


def test_reading_ten_times_as_many_seeds_takes_no_hundred_times_as_long() -> None:
    def seconds(count: int) -> float:
        text = f'extends = "base.toml"\nseeds = {list(range(count))}\n'
        began = time.process_time()
        found = load(text, base=SMALL)
        spent = time.process_time() - began
        assert len(found.config.seeds) == count
        assert tomllib.loads(found.text)["seeds"] == list(range(count))
        return spent

    seconds(10)
    assert seconds(30_000) < 30 * seconds(3_000)
