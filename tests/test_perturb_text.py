"""Text perturbations: the golden outputs of version 1, and what holds for every question."""

import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgleval.errors import UserError
from sgleval.perturb import dialect, gender, of_name, parse, person_name, translate
from sgleval.perturb.drawn import generator
from sgleval.perturb.substitution import whole_words
from sgleval.perturb.text import filler
from sgleval.perturb.words import (
    CONTRACTIONS,
    EXPANSIONS,
    FILLERS,
    GENDERS,
    MISSPELLINGS,
    NEIGHBOURS,
)
from sgleval.sample import Sample

QUESTION = "What is the total amount on the receipt?"
questions = st.text(alphabet=st.sampled_from("abWTz  '\"«»1.?é\n"), max_size=60)
quick = settings(deadline=None, max_examples=50)


def asked(question, id="id0", answers=("yes",), **fields):
    return Sample(id, (), question, answers, **fields)


def changed(spec, question=QUESTION, id="id0", seed=0):
    """Return the perturbed question; the question itself where no copy is sent."""
    [perturbation] = parse([spec])
    return (perturbation.apply(asked(question, id), seed) or asked(question)).question


@pytest.mark.parametrize(
    ("spec", "id", "seed", "expected"),
    [
        ("typos:0", "id0", 0, QUESTION),
        ("typos:0.1", "id0", 0, "Ehat is yhe total amohnt on the receipt?"),
        ("typos:0.3", "id0", 0, "Ehag iw yne yotal amohnt on yhe receilt?"),
        ("typos:1", "id0", 0, "Ejwg uw ynw ylfso znihby lh ygs ewfrolr?"),
        ("typos:0.1", "q1", 0, "What is the total amount on thw receipg?"),
        ("typos:0.3", "id0", 1, "Wnaf is the yktal amount on thw tecdipt?"),
        ("spaces:3", "id0", 0, "What  is  the  total  amount   on the receipt?"),
        ("filler:prob=0.3,words=um|maybe|you know", "id0", 0, QUESTION),
        (
            "filler:prob=0.3,words=um|maybe|you know",
            "q1",
            0,
            "What maybe is the total um amount on the receipt?",
        ),
        ("lowercase", "id0", 0, "what is the total amount on the receipt?"),
        ("uppercase", "id0", 0, "WHAT IS THE TOTAL AMOUNT ON THE RECEIPT?"),
        ("contraction", "id0", 0, "What's the total amount on the receipt?"),
        ("misspelling:1", "id0", 0, "Waht is teh totla amuont on teh receit?"),
        (
            "filler:0.5",
            "q2",
            0,
            "What is the you know total I mean amount please on the well receipt?",
        ),
        ("mild_mix", "id0", 0, "waht's  the  total  amount  on   the receipt?"),
    ],
)
def test_outputs_of_version_1_never_change(spec, id, seed, expected):
    assert changed(spec, id=id, seed=seed) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("He signed the form.", "She signed the form."),
        ("dad dad: my son has a son.", "mom mom: my daughter has a daughter."),
        ("Is the form his?", "Is the form hers?"),
        ("Is this his", "Is this hers"),
        ("His name is on his form.", "Her name is on her form."),
        (
            "HE said he would; the person shed a tear.",
            "SHE said she would; the person shed a tear.",
        ),
        ("he gave it to him himself", "she gave it to her herself"),
        ("Where is the theme of this heel?", "Where is the theme of this heel?"),
        ("He saw that she left.", "She saw that she left."),
    ],
)
def test_gender_swaps_whole_words_in_one_pass(question, expected):
    assert changed("gender", question) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("She signed her form.", "He signed his form."),
        ("Who signed for her?", "Who signed for him?"),
        ("Is it hers or her wife's?", "Is it his or his husband's?"),
    ],
)
def test_gender_goes_the_other_way(question, expected):
    assert changed("gender:source=female,target=male", question) == expected


@pytest.mark.parametrize(
    ("spec", "question", "expected"),
    [
        ("expansion", "Doesn't this chart show 2019?", "Does not this chart show 2019?"),
        ("expansion", "Doesn\N{RIGHT SINGLE QUOTATION MARK}t it?", "Does not it?"),
        ("contraction", "This is not.", "This isn't."),
        ("contraction", "The thesis nothing", "The thesis nothing"),
        ("contraction", "I am sure he cannot.", "I'm sure he can't."),
        ("spaces:1", "a  b   c\n d", "a b c\n d"),
        ("typos:1", "Итого: 12,50 руб.", "Итого: 12,50 руб."),  # noqa: RUF001  (Cyrillic)
        ("misspelling:1", 'The "total" of A1 and «date»', 'Teh "total" of A1 and «date»'),
    ],
)
def test_words_and_what_is_quoted_are_respected(spec, question, expected):
    assert changed(spec, question) == expected


def test_what_is_quoted_or_has_a_digit_is_drawn_for_and_kept():
    question = 'What is "Total due" in invoice A-17 of 2019?'
    assert changed("typos:1", question) == 'Ejwg uw "Total due" um jbbpofw A-17 lg 2019?'


def cases(shared):
    path = shared / "reference" / "cases" / "perturbations.json"
    return json.loads(path.read_text(encoding="utf-8"))["cases"]


def of_case(name, text, item="id0", seed=0, **given):
    """Return what a case asks for, by the same functions as `--perturb`."""
    pairs = given.pop("pairs", None)
    if name == "gender":
        copy = gender(pairs=pairs, **given).apply(asked(text), 0)
        return copy.question if copy else text
    if pairs:
        order = 1 if name == "contraction" else -1
        return whole_words(dict(pair[::order] for pair in pairs))(text)
    if name == "filler":
        rng = Random(f"{seed}:filler@1:{item}")
        return filler(text, rng, given["prob"], "|".join(given["words"]))
    values = ",".join(f"{key}={value}" for key, value in given.items())
    return changed(f"{name}:{values}" if values else name, text, item, seed)


def test_the_golden_cases_hold(shared):
    for case in cases(shared):
        if case["name"] == "image_generator":
            rng = generator(case["input"]["key"])
            draws = [round(rng.random_sample(), 12) for _ in range(3)]
            assert draws == case["expected"]["first_draws"]
        else:
            assert of_case(case["name"], **case["input"]) == case["expected"], case


def test_the_generator_of_an_image_is_the_documented_one():
    assert generator("0:rotate@1:page-001").random_sample() == pytest.approx(0.777031272509)


@quick
@given(questions, st.floats(0, 1), st.floats(0, 1))
def test_typos_keep_the_length_and_a_larger_probability_changes_more_of_the_same(text, a, b):
    fewer, more = (changed(f"typos:{prob:.6f}", text) for prob in sorted((a, b)))
    assert len(fewer) == len(more) == len(text)
    for before, little, much in zip(text, fewer, more, strict=True):
        assert little in {before, much}
        if much != before:
            assert much.lower() in NEIGHBOURS[before.lower()]
            assert much.isupper() == before.isupper()
    for kept in re.findall(r'"[^"]*"|«[^»]*»', text):
        assert kept in more


@quick
@given(questions, st.integers(0, 9))
def test_the_words_remain_in_order_under_spaces_and_filler(text, seed):
    assert changed("spaces:5", text, seed=seed).split() == text.split()
    slow = iter(changed("filler:prob=0.5,words=um", text, seed=seed).split())
    assert all(word in slow for word in text.split())


@quick
@given(questions, st.sampled_from(["typos:0", "misspelling:0", "filler:0"]))
def test_probability_0_changes_nothing(text, spec):
    assert parse([spec])[0].apply(asked(text), 0) is None


@quick
@given(questions)
def test_lower_case_twice_is_lower_case(text):
    assert changed("lowercase", changed("lowercase", text)) == changed("lowercase", text)


def test_the_lists_are_consistent():
    assert set(NEIGHBOURS) == set("abcdefghijklmnopqrstuvwxyz")
    assert all(EXPANSIONS[short] == long for long, short in CONTRACTIONS.items())
    assert not set(MISSPELLINGS) & {slip for slips in MISSPELLINGS.values() for slip in slips}
    assert len({word for pair in GENDERS for word in pair}) == 2 * len(GENDERS)
    assert all(FILLERS.split("|"))


def test_gender_changes_answers_with_the_question_but_not_options_and_what_names_them():
    [perturbation] = parse(["gender"])
    copy = perturbation.apply(asked("Is he the man?", answers=["yes, he is", "The man"]), 0)
    assert copy.answers == ("yes, she is", "The woman")
    options = asked("Is he tall?", answers=["a man", "A"], choices=["a man", "a woman"])
    copy = perturbation.apply(options, 0)
    assert (copy.question, copy.answers) == ("Is she tall?", ("a man", "A"))
    assert copy.choices == options.choices


def test_a_question_without_gender_is_not_sent_for_its_answers_sake():
    assert parse(["gender"])[0].apply(asked("Who is it?", answers=["his father"]), 0) is None


def test_a_name_is_replaced_in_question_and_answers():
    names = {"Tom": "Ana", "Tom Reed": "Mia Wu"}
    swap = person_name(names, name="ours", page_text=lambda sample: "")
    copy = swap.apply(asked("Is Tom Reed Tom's son, or Tomas?", answers=["Tom"]), 0)
    assert (copy.question, copy.answers) == ("Is Mia Wu Ana's son, or Tomas?", ("Ana",))
    assert re.fullmatch(r"person_name@1\(name=ours,map=[0-9a-f]{8}\)", swap.full_name)


def test_a_name_that_the_picture_shows_is_kept():
    sample = asked("When did Tom sign?", answers=["he signed as tom"], tags={"page": "Tom, 2019"})
    assert person_name({"Tom": "Ana"}, name="ours").apply(sample, 0) is None
    known = person_name({"Tom": "Ana"}, name="ours", page_text=lambda sample: sample.tags["page"])
    assert known.apply(sample, 0) is None
    elsewhere = person_name({"Tom": "Ana", "Bob": "Eve"}, name="ours", page_text=lambda _: "Bob")
    assert elsewhere.apply(sample, 0).question == "When did Ana sign?"


def test_a_dialect_is_a_map_of_the_users_own():
    scots = dialect({"small": "wee", "do not know": "dinnae ken"}, name="scots")
    copy = scots.apply(asked("Small sum?", answers=["small"]), 0)
    assert (copy.question, copy.answers) == ("Wee sum?", ("small",))
    other = dialect({"small": "peerie"}, name="scots")
    assert other.full_name != scots.full_name  # the map's content is in it


def test_a_translation_is_asked_for_once_and_failures_name_the_sample():
    calls = []

    def german(question):
        calls.append(question)
        return {"Total?": "Summe?", "None?": None}[question]

    translated = translate(german, name="german")
    assert translated.full_name == "translate@1(name=german)"
    for _ in range(3):
        assert translated.apply(asked("Total?"), 0).question == "Summe?"
    assert calls == ["Total?"]
    with pytest.raises(UserError, match=r"sample 'id0': KeyError: 'Tax\?'; mend the function"):
        translated.apply(asked("Tax?"), 0)
    with pytest.raises(UserError, match="None is no str; return the question's text"):
        translated.apply(asked("None?"), 0)


@pytest.mark.parametrize("name", ["", "my map", "a,b", "a=b", "a)"])
def test_a_name_that_would_garble_full_names_is_refused(name):
    with pytest.raises(UserError, match="give letters, digits"):
        dialect({}, name=name)


def test_what_is_made_of_something_of_the_users_is_known_later_by_name_only():
    made = [
        translate(str.upper, name="loud"),
        dialect({"a": "b"}, name="d"),
        person_name({"a": "b"}, name="p"),
        gender(pairs=[("ox", "cow")]),
    ]
    for perturbation in made:
        again = of_name(perturbation.full_name)
        assert (again.full_name, again.family) == (perturbation.full_name, perturbation.family)
        assert again.rewrites == perturbation.rewrites
        with pytest.raises(UserError, match="made of something of your own"):
            again.apply(asked("An ox?"), 0)


def test_gender_takes_pairs_of_the_users_own():
    assert gender(pairs=[("ox", "cow")]).apply(asked("An Ox?"), 0).question == "An Cow?"
    assert gender().full_name == "gender@1(source=male,target=female)"
    with pytest.raises(UserError, match="from male to male; give male and female"):
        gender("male", "male")
