"""How much of the server's cache a group is taken to need."""

import datetime as dt
from dataclasses import replace

import pytest
from conftest import picture

from sgleval.dispatch import ANSWER_TOKENS, Weights
from sgleval.plan import Request
from sgleval.runtime.record import Prompt
from sgleval.runtime.run_batch import Call, Outcome
from sgleval.sample import Image, Sample

NOW = dt.datetime.now(dt.UTC)


def asked(question="What is it?", size=(280, 280)):
    sample = Sample("s", [Image(picture(size=size))], question, ["x"])
    prompt = Prompt(f"Look. <image>{question}", tuple(image.digest for image in sample.images))
    return Request("key", "default", "none", sample, Call({}), prompt)


def words(prompt):
    return prompt.text.partition("<image>")[2].split()


def heard(**learned):
    """Weights that have heard of a first answer, which says nothing."""
    weights = Weights(words, **learned)
    weights.learn(asked(), answered(5000, 0))
    return weights


def answered(prompt, cached, completion=1, requests=1):
    tokens = {"prompt_tokens": prompt, "cached_tokens": cached, "completion_tokens": completion}
    return Outcome({}, {}, None, 0.1, NOW, requests, tokens)


def test_before_an_answer_a_group_is_its_pixels_its_questions_and_a_guess_for_each_answer():
    assert Weights(words).of([asked(), asked("Why?")]) == 100 + 3 + 1 + 2 * ANSWER_TOKENS


@pytest.mark.parametrize(("generations", "guess"), [(1, 8), (3, 24), (5, ANSWER_TOKENS)])
def test_an_answer_is_guessed_no_longer_than_it_may_get(generations, guess):
    short = asked()
    short = replace(short, prompt=replace(short.prompt, answer_tokens=8))
    assert Weights(words, generations=generations).of([short]) == 100 + 3 + guess


def test_a_prompt_that_nobody_knows_is_guessed_from_the_questions_characters():
    unknown = replace(asked("What is the date?"), prompt=None)
    assert Weights(words).of([unknown]) == 100 + 4 + ANSWER_TOKENS


def test_a_server_that_shrinks_pictures_makes_room_for_more_of_them():
    weights = heard()
    weights.learn(asked(), answered(53, 0))
    assert weights.of([asked()]) == pytest.approx(50 + 3 + ANSWER_TOKENS)


def test_what_all_prompts_share_takes_no_room_of_its_own():
    weights = heard()
    weights.learn(asked(), answered(143, 40))
    assert weights.of([asked()]) == pytest.approx(100 + 3 + ANSWER_TOKENS)


def test_the_first_answer_says_nothing_since_it_may_have_paid_for_what_all_share():
    assert heard() == Weights(words, _heard=True)


def test_the_largest_prompt_decides():
    weights = heard()
    weights.learn(asked(), answered(203, 0))
    weights.learn(asked(), answered(153, 0))
    assert weights.of([asked()]) == pytest.approx(200 + 3 + ANSWER_TOKENS)


def test_siblings_tell_what_an_answer_takes_behind_its_question():
    weights = heard(scale=1.0)
    weights.learn(asked(), answered(120, 100, completion=5))
    assert weights.of([asked()] * 4) == pytest.approx(100 + 4 * (20 + 5))
    weights.learn(asked(), answered(60, 10))  # no sibling: most of it was not cached
    assert weights.of([asked()] * 4) == pytest.approx(100 + 4 * (20 + 5))


def test_the_models_own_processor_counts_an_image():
    weights = Weights(words, lambda width, height: 7.0)
    assert weights.of([asked()]) == 7 + 3 + ANSWER_TOKENS


def test_a_program_of_several_requests_says_nothing_of_one_prompt():
    weights = heard()
    weights.learn(asked(), answered(900, 0, requests=2))
    assert weights.scale is weights.behind is None
