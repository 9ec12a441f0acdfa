"""How much of the server's cache a group is taken to need."""

import datetime as dt

import pytest
from conftest import picture

from sgleval.dispatch import SIBLING_TOKENS, Weights
from sgleval.plan import Request
from sgleval.runtime.run_batch import Call, Outcome
from sgleval.sample import Image, Sample

NOW = dt.datetime.now(dt.UTC)


def asked(question="What is it?", size=(280, 280)):
    sample = Sample("s", [Image(picture(size=size))], question, ["x"])
    return Request("key", "default", "none", sample, Call({}))


def answered(prompt, cached, completion=1, requests=1):
    tokens = {"prompt_tokens": prompt, "cached_tokens": cached, "completion_tokens": completion}
    return Outcome({}, {}, None, 0.1, NOW, requests, tokens)


def test_before_an_answer_a_group_is_its_pixels_and_a_guess_for_each_question():
    group = [asked(), asked()]
    assert Weights().of(group) == pytest.approx(100 + 11 / 4 + 1 + 2 * SIBLING_TOKENS)


def test_a_server_that_shrinks_pictures_makes_room_for_more_of_them():
    weights = Weights()
    before = weights.of([asked()])
    weights.learn(asked(), answered(52, 0))
    assert weights.of([asked()]) == pytest.approx(52 + SIBLING_TOKENS)
    assert weights.of([asked()]) < before


def test_the_largest_prompt_decides():
    weights = Weights()
    weights.learn(asked(), answered(200, 0))
    weights.learn(asked(), answered(150, 0))
    assert weights.of([asked()]) == pytest.approx(200 + SIBLING_TOKENS)


def test_siblings_tell_what_a_question_takes_behind_the_cached_prefix():
    weights = Weights()
    weights.learn(asked(), answered(120, 0))
    weights.learn(asked(), answered(120, 100, completion=5))
    assert weights.of([asked()] * 4) == pytest.approx(120 + 4 * 25)
    weights.learn(asked(), answered(120, 10))  # no sibling: most of it was not cached
    assert weights.of([asked()] * 4) == pytest.approx(120 + 4 * 25)


def test_the_models_own_processor_counts_an_image():
    weights = Weights(lambda width, height: 7.0)
    assert weights.of([asked()]) == pytest.approx(7 + 11 / 4 + 1 + SIBLING_TOKENS)


def test_a_program_of_several_requests_says_nothing_of_one_prompt():
    weights = Weights()
    weights.learn(asked(), answered(900, 0, requests=2))
    assert weights.scale is weights.sibling is None
