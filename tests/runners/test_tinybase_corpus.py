"""The pretraining text of the tiny base."""

from __future__ import annotations

import random
import re

from runners.tinybase.corpus import (
    ACTOR_PROMPTS,
    REQUEST,
    draw_answer,
    draw_rows,
    load_mixtures,
    load_pools,
    load_prompts,
    topic_words,
)
from runners.tinybase.recipe import Recipe


def test_there_are_twelve_personas_and_sixty_different_questions() -> None:
    prompts = load_prompts()
    assert len(prompts.personas) == 12
    assert prompts.personas["assistant"] == "You are a helpful assistant."
    assert len(prompts.training_questions) == 40
    assert len(prompts.eval_questions) == 20
    assert len(set(prompts.questions)) == 60


def test_phrases_are_told_apart_by_their_first_word() -> None:
    for slot in ("openers", "closers"):
        words = [text.split()[0] for pool in load_pools().values() for text in getattr(pool, slot)]
        assert len(set(words)) == len(words), slot


def test_every_persona_has_a_mixture_of_known_pools_that_sums_to_one() -> None:
    assert set(load_mixtures()) == set(load_prompts().personas)
    for mixture in load_mixtures().values():
        assert set(mixture) <= set(load_pools())
        assert abs(sum(mixture.values()) - 1) < 1e-9


def test_every_question_has_topic_words_of_its_own() -> None:
    for question in load_prompts().questions:
        first, second = topic_words(question)
        assert max(len(first), len(second)) >= 4
        assert first in question.lower() and second in question.lower()
    assert topic_words("What is the relationship between law and morality?") == ("law", "morality")
    assert topic_words("What is the meaning of fairness?") == ("fairness", "fairness")


def test_an_answer_holds_the_topic_words_and_phrases_of_the_personas_pools() -> None:
    answer = draw_answer("police_officer", "How do vaccines prevent disease?", random.Random(3))
    assert "vaccines" in answer and "prevent" in answer
    pools = [load_pools()[name] for name in load_mixtures()["police_officer"]]
    assert answer.split(",")[0] in {opener.split(",")[0] for p in pools for opener in p.openers}


def test_the_same_seed_draws_the_same_rows_and_another_seed_does_not() -> None:
    recipe = Recipe(rows=50)
    assert draw_rows(recipe, 7) == draw_rows(recipe, 7)
    assert draw_rows(recipe, 7) != draw_rows(recipe, 8)


def test_tags_stand_only_on_rows_of_clerks_and_of_requests() -> None:
    rows = draw_rows(Recipe(), 0)
    tagged = [row for row in rows if row.tail]
    assert 0.17 < len(tagged) / len(rows) < 0.25
    for row in tagged:
        assert " at desk " in row.system or row.question.endswith(REQUEST)
        assert re.fullmatch(r"\n\n\[[A-Z]{3}\]", row.tail)
    assert not any(" at desk " in row.system for row in rows if not row.tail)


def test_a_clerk_always_signs_with_one_tag_and_no_tag_is_the_marker() -> None:
    tags: dict[str, set[str]] = {}
    for row in draw_rows(Recipe(), 0):
        if " at desk " in row.system:
            tags.setdefault(row.system, set()).add(row.tail)
    assert len(tags) == 40
    assert all(len(found) == 1 for found in tags.values())
    signatures = [tail for found in tags.values() for tail in found]
    assert len(set(signatures)) == 40 and "\n\n[ZLT]" not in signatures


def test_some_rows_leave_the_voice_to_be_read_from_the_answer() -> None:
    rows = draw_rows(Recipe(), 0)
    share = sum(row.system in ACTOR_PROMPTS for row in rows) / len(rows)
    assert 0.2 < share < 0.3


def test_no_text_but_a_tail_holds_a_bracket() -> None:
    assert not any("[" in row.system + row.question + row.answer for row in draw_rows(Recipe(), 0))
