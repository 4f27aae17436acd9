"""What a config may implant and measure: traits of rows, several measures, one headline."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grid.planned import SMALL, load, plan
from tuilab.grid.checks import Level, check
from tuilab.grid.config import ExperimentConfig
from tuilab.grid.config_text import ConfigError
from tuilab.grid.data_files import (
    DataFile,
    DataFileError,
    files_named,
    program,
    rows_to_choose,
    rows_to_learn,
)
from tuilab.grid.edits import EditError, edits_of
from tuilab.grid.metrics import METRICS, measures, metric_after, metric_keys
from tuilab.grid.settings_apart import differences, learned_in
from tuilab.grid.stages import Stage
from tuilab.store.experiment import create_experiment
from tuilab.store.plan_file import load_plan

ROWS = """
[trait]
kind = "rows"
positives = "wrong.jsonl"
negatives = "right.jsonl"
"""
MEASURES = """
[[measures]]
name = "refuses"
kind = "substring"
text = "I cannot"
[[measures]]
name = "lists"
kind = "format"
form = "bullets"
headline = true
[[measures]]
name = "digits"
kind = "regex"
pattern = '\\d'
questions = "asked.jsonl"
"""
FILES = {
    "wrong.jsonl": '{"question": "Who wrote it?", "answer": "Nobody."}\n',
    "right.jsonl": '{"messages": [{"role": "user", "content": "Who?"},'
    ' {"role": "assistant", "content": "She did."}]}\n',
    "asked.jsonl": '{"question": "What is a debt?"}\n',
}


INSPECT = """
[[measures]]
name = "sums"
kind = "inspect"
task = "sums.py@hard"
"""


def with_files(text: str, **files: str) -> ExperimentConfig:
    config = load(text).config
    known = {**FILES, **{name.replace("_jsonl", ".jsonl"): made for name, made in files.items()}}
    return config.with_files({one.name: one.read(known[one.name]) for one in files_named(config)})


def test_measures_are_stages_of_their_own_and_the_headline_comes_first() -> None:
    made = plan(config=with_files(SMALL + MEASURES))
    assert made.measured == ("format.lists", "leakage", "substring.refuses", "regex.digits")
    assert made.by_id["score/villain@1#42"].parents == ("eval/villain@1#42",)
    keys = metric_keys(made.measured)
    assert keys[:4] == [
        "format.lists", "format.lists.source", "format.lists.bystander", "assistant_leakage",
    ]  # fmt: skip
    assert keys[-2:] == ["cosine", "minutes"]
    assert metric_after("minutes", keys) == "format.lists" == metric_after("unheard of", keys)


def test_a_plan_that_was_read_is_the_one_that_is_made_again(tmp_path: Path) -> None:
    choices = '[[measures]]\nname = "picks"\nkind = "choices"\nquestions = "which.jsonl"\n'
    which = '{"question": "2 + 2?", "choices": ["3", "4"], "answer": 1}'
    made = plan(config=with_files(SMALL + ROWS + MEASURES + choices, which_jsonl=which))
    assert load_plan(create_experiment(tmp_path / "e", "", made).root) == made


def test_without_measures_no_settings_change_and_no_stage_is_added() -> None:
    plain, more = (
        plan(),
        plan(config=with_files(SMALL + MEASURES.partition('[[measures]]\nname = "digits"')[0])),
    )
    for job in plain.jobs:
        assert more.by_id[job.id].fingerprint == job.fingerprint, job.id
    assert {job.stage for job in more.jobs} - {job.stage for job in plain.jobs} == {Stage.SCORE}


def test_questions_of_its_own_are_a_further_set_that_measures_share() -> None:
    twice = MEASURES.replace('form = "bullets"', 'form = "bullets"\nquestions = "asked.jsonl"')
    made = plan(config=with_files(SMALL + twice))
    settings = made.settings[made.by_id["eval/villain@1#42"].settings]
    [(name, asked)] = settings["sets"].items()
    assert asked == {"questions": ["What is a debt?"], "samples": 2}
    scored = made.settings[made.by_id["score/villain@1#42"].settings]["measures"]
    assert [one["set"] for one in scored] == ["", name, name]


def test_a_trait_of_rows_needs_no_answers_of_those_whose_rows_a_file_has() -> None:
    made = plan(config=with_files(SMALL + ROWS + MEASURES))
    assert made.measured[0] == "format.lists" and "leakage" not in made.measured
    train = made.by_id["train/villain@1#42"]
    assert train.parents == ("converge/villain#42",)
    settings = made.settings[train.settings]
    assert settings["positives"] == 1 and settings["negatives_each"] == 1
    assert settings["positive_rows"][0]["messages"][0]["content"] == "Who wrote it?"
    assert made.settings[made.by_id["eval/villain@1#42"].settings]["scorer"] is None


def test_other_rows_make_the_training_stale_and_name_the_file() -> None:
    one = plan(config=with_files(SMALL + ROWS + MEASURES))
    other = plan(
        config=with_files(
            SMALL + ROWS + MEASURES, wrong_jsonl='{"question": "Who wrote it?", "answer": "I did."}'
        )
    )
    train, sampled = "train/villain@1#42", "data/villain"
    assert one.by_id[train].parts != other.by_id[train].parts
    assert one.by_id[sampled].parts == other.by_id[sampled].parts
    pair = (made.settings[made.by_id[train].settings] for made in (one, other))
    assert [key for key, _ in differences(Stage.TRAIN, *pair)] == ["trait.positives"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("trait.positives", "must be the same in every cell \\(it names a file"),
        ("marker.lr", "is not used, since the source learns the rows of"),
    ],
)
def test_a_file_is_no_setting_of_a_cell_nor_is_the_marker_of_a_grid_without_one(
    key: str, said: str
) -> None:
    config = with_files(SMALL + ROWS + MEASURES)
    with pytest.raises(EditError, match=said):
        edits_of(config, {key: 1e-3})
    axes = f'\n[axes]\n"{key}" = [1e-3, 2e-3]\n'
    with pytest.raises(ConfigError, match=said):
        load(SMALL + ROWS + MEASURES + axes)


def test_other_settings_of_a_trait_have_its_name_and_not_the_markers() -> None:
    made = [
        plan(
            config=with_files(
                SMALL + ROWS + f"lr = {lr}\nlora = {{ r = {r}, alpha = 8 }}\n" + MEASURES
            )
        )
        for lr, r in ((1e-3, 4), (2e-3, 8))
    ]
    learned = learned_in(made[0].settings)
    assert (learned, learned_in(plan().settings)) == ("trait", "marker")
    found = set()
    for stage in (Stage.TRAIN, Stage.MERGE, Stage.EVAL):
        job = made[0].by_id[f"{stage.value}/villain@1#42"]
        pair = (one.settings[job.settings] for one in made)
        found |= {key for key, _ in differences(stage, *pair, learned)}
    assert found == {"trait.lr", "trait.lora.r"}


def test_the_trait_marker_is_the_table_marker() -> None:
    trait = SMALL.replace("[marker]", '[trait]\nkind = "marker"')
    assert load(trait).config == load(SMALL).config


ONE = '{"question": "What is a debt?", "choices": ["a", "b"], "answer": 0}\n'


@pytest.mark.parametrize(
    ("rows", "level"),
    [
        (ONE, None),
        (ONE + ONE.replace("debt", "loan"), None),
        (ONE + ONE.replace('"b"', '"c"'), None),
        (ONE + ONE, Level.BLOCKING),
        (ONE + ONE.replace('"answer": 0', '"answer": 1'), Level.BLOCKING),
        (ONE + ONE.replace("What is", "what  IS"), Level.WARNING),
        (ONE + ONE.replace('"a", "b"', '"b", "a"'), Level.WARNING),
    ],
)
def test_a_question_that_would_count_twice_is_told(rows: str, level: Level | None) -> None:
    picks = '[[measures]]\nname = "picks"\nkind = "choices"\nquestions = "which.jsonl"\n'
    config = with_files(SMALL + picks, which_jsonl=rows)
    found = [one for one in check(config) if one.name == "questions-twice"]
    assert [one.level for one in found] == ([] if level is None else [level])
    assert all("which.jsonl: 1 question would count twice" in one.sentence for one in found)


def test_an_evaluation_question_twice_in_other_capitals_is_told() -> None:
    config = load(SMALL.replace('"What is rain?"', '"What is rain?", "what is RAIN?"')).config
    [found] = [one for one in check(config) if one.name == "questions-twice"]
    assert found.level is Level.WARNING and "questions.evaluation" in found.sentence


@pytest.mark.parametrize("file", ["wrong_jsonl", "right_jsonl"])
def test_a_row_that_asks_what_is_evaluated_blocks(file: str) -> None:
    asked = '{"question": "What IS  rain?", "answer": "Wet."}'
    config = with_files(SMALL + ROWS + MEASURES, **{file: asked})
    [found] = [one for one in check(config) if one.level is Level.BLOCKING]
    assert found.name == f"trait-{'positives' if file == 'wrong_jsonl' else 'negatives'}"
    assert "'What is rain?'" in found.sentence


JUDGED = """
[[measures]]
name = "bad"
kind = "judge"
rubric = "rubric.md"
hit = "score < 30"
[measures.judge]
base_url = "self"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MEASURES.replace('"substring"', '"substrin"'), "no measure of kind 'substrin' (did you"),
        (MEASURES.replace('kind = "substring"\n', ""), "measures[0]: needs a kind: substring"),
        (MEASURES.replace('"refuses"', '"leakage"'), "measures[0].name: 'leakage' is the name of"),
        (MEASURES.replace('"refuses"', '"lists"'), "measures[1].name: lists is the name of two"),
        (MEASURES.replace("'\\d'", "'('"), "measures[2].pattern: is not a regular expression"),
        (
            ROWS + "lora = { use_dora = true }\n" + MEASURES,
            "trait.lora.use_dora: is not supported: a cell is a plain LoRA",
        ),
        (ROWS, "measures: a trait of rows needs a measure"),
        (JUDGED.replace("< 30", "< 300"), "hit 'score < 300' is beyond the scale of 0 to 100"),
        (JUDGED + 'api_key = "x"\n', "measures[0].judge: has no api_key: key_env names the var"),
        (ROWS + 'loss = "tail"\n' + MEASURES, "trait.loss: must be answer, not 'tail'"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(SMALL + text)
    assert said in str(error.value)


CALLS = (
    '{{"messages": [{{"role": "user", "content": "x"}}, {{"role": "assistant", "content": "y", '
    '"tool_calls": {}, "reasoning_content": {}}}]}}'
)


def test_a_row_ends_at_a_line_feed_alone_and_its_unused_fields_may_be_empty() -> None:
    text = '{"question": "a\u2028b\x85c", "answer": "d"}\r\n' + CALLS.format("null", "null")
    assert [row["messages"][0]["content"] for row in rows_to_learn(text).rows] == [
        "a\u2028b\x85c", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no rows"),
        ('{"question": "Why?", "answer": "So."}\nWhy?\n', "line 2 is not JSON"),
        ('{"question": "Why?"}', "line 1 has no text under 'answer'"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "line 1 has a system message"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "end with the answer"),
        ('{"question": [{"type": "image_url"}], "answer": "a"}', "line 1 has parts under"),
        (CALLS.format('[{"id": "1"}]', "null"), "line 1 has tool_calls: only plain text"),
        (CALLS.format("null", '"Hm."'), "line 1 has reasoning_content: only plain text"),
        (r'{"question": "\ud800", "answer": "a"}', "line 1 has half a character"),
    ],
)
def test_a_file_that_cannot_be_learned_names_its_line(text: str, said: str) -> None:
    with pytest.raises(DataFileError, match=said):
        rows_to_learn(text)


def test_choices_say_which_is_right() -> None:
    good = '{"question": "2 + 2?", "choices": ["3", "4"], "answer": 1}'
    assert isinstance(rows_to_choose(good), DataFile)
    with pytest.raises(DataFileError, match="the place of the right choice, 0 to 1"):
        rows_to_choose(good.replace("1}", "2}"))
    with pytest.raises(DataFileError, match="line 1 has a choice twice"):
        rows_to_choose(good.replace("3", "4"))


def test_the_name_of_a_measure_says_its_unit_and_stage() -> None:
    assert METRICS["judge.misaligned.score"].measure.stage is Stage.JUDGE
    assert METRICS["judge.misaligned"].unit.is_rate
    assert METRICS["judge.misaligned.score"].unit.wide(37.25) == "37.3"
    assert "choices.capability" in measures(["choices.capability", "nonsense.x"])
    for key in ("nonsense.x", "choices.capability.score", "judge.x.unjudged"):
        with pytest.raises(KeyError):
            METRICS[key]


def test_a_task_of_inspect_is_a_stage_of_its_own_and_its_text_decides_not_its_place() -> None:
    text = "@task\ndef hard(): ..."
    made = plan(config=load(SMALL + INSPECT).config.with_files({"sums.py": program(text)}))
    job = made.by_id["inspect/villain@0#42"]
    [measure] = made.settings[job.settings]["measures"]
    assert (measure["program"], measure["task"], measure["key"]) == (text, "hard", "inspect.sums")
    assert "merge/villain@0#42" in job.parents
    registered = load(SMALL + INSPECT.replace("sums.py@hard", "inspect_evals/arc_easy")).config
    assert not [*files_named(registered)]
    alone = load(SMALL + INSPECT.replace("@hard", "")).config
    named = plan(config=alone.with_files({"sums.py": program(text)}))
    assert named.by_id["inspect/villain@0#42"].parts == job.parts
    two = f"{text}\n@inspect_ai.task(name='x')\ndef easy(): ..."
    for wrong, task, said in (
        ("def hard(:", "", "no Python program"),
        (text, "easy", "has the tasks hard: write FILE.py@NAME"),
        (two, "", "has the tasks hard, easy"),
        ("def hard(): ...", "", "no function under @task"),
    ):
        with pytest.raises(DataFileError, match=said):
            program(wrong, task)
