"""What `--perturb` takes, and what holds for every perturbation of a sample."""

import random
from dataclasses import replace

import pytest
from conftest import picture
from hypothesis import given, settings
from hypothesis import strategies as st

from sgleval.errors import UserError
from sgleval.perturb import Perturbation, donors, of_name, parse, translate
from sgleval.perturb.catalog import KINDS
from sgleval.perturb.spec import ALIASES, BUNDLES
from sgleval.sample import Image, Sample

EVERY = parse(["all", "mild_mix", "uppercase", "gender", "typos_sweep", "blur:1-5"])
COLOURS = ("red", "green", "blue", "white", "black")


def names(*specs):
    return [perturbation.full_name for perturbation in parse(specs)]


def scene(id="q1", color="red", **fields):
    sample = Sample(
        id,
        [Image(picture(color))],
        "What is not his on the  receipt?",
        ["his total", "B"],
        ["one", "two", "three"],
        {"page": "1", "field": "total"},
    )
    return replace(sample, **fields)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("typos:0.10", ["typos@1(prob=0.1)"]),
        ("text:typos:prob=1", ["typos@1(prob=1)"]),
        (" lowercase ", ["lowercase@1"]),
        ("image:gaussian_blur:3", ["gaussian_blur@1(severity=3)"]),
        ("blur:sigma=1.2", ["gaussian_blur@1(sigma=1.2)"]),
        ("image:crop:severity=2", ["crop_margin@1(severity=2)"]),
        ("rotation:1-2", ["rotate@1(severity=1)", "rotate@1(severity=2)"]),
        ("skew:4", ["perspective@1(severity=4)"]),
        ("image:greyscale", ["grayscale@1"]),
        ("choices:rotate", ["choices_rotate@1(by=1)"]),
        ("choices:rotate:2-3", ["choices_rotate@1(by=2)", "choices_rotate@1(by=3)"]),
        ("gender", ["gender@1(source=male,target=female)"]),
        ("baseline:blind", ["blind@1"]),
        ("wrong_image", ["wrong_image@1"]),
        ("jpeg@1(quality=30)", ["jpeg@1(quality=30)"]),
        ("robustness", ["mild_mix@1"]),
        ("text:typos_sweep", [f"typos@1(prob={prob})" for prob in (0.05, 0.1, 0.2, 0.3)]),
        ("filler:prob=0.2,words=um|I mean", ["filler@1(prob=0.2,words=um|I mean)"]),
    ],
)
def test_a_spec_names_perturbations(spec, expected):
    assert names(spec) == expected


def test_bundles_hold_what_the_definitions_say():
    robust = [
        "typos@1(prob=0.01)",
        "misspelling@1(prob=0.1)",
        "lowercase@1",
        "contraction@1",
        "expansion@1",
        "spaces@1(max=3)",
        "filler@1(prob=0.1)",
    ]
    assert names("robustness_all") == robust
    everything = names("all")
    assert everything[:7] == robust
    assert everything[-4:] == ["grayscale@1", "choices_rotate@1(by=1)", "blind@1", "wrong_image@1"]
    assert all(name.endswith("@1(severity=3)") for name in everything[7:-4])
    assert len(everything) == 7 + 11 + 4


def test_repeats_are_dropped_and_the_order_stays():
    upper = translate(str.upper, name="upper")
    given = ["blur:3", "typos:0.1", "gaussian_blur:3", upper, "lowercase", "robustness_all", upper]
    assert names(*given)[:4] == [
        "gaussian_blur@1(severity=3)",
        "typos@1(prob=0.1)",
        "translate@1(name=upper)",
        "lowercase@1",
    ]
    assert len(names(*given)) == 3 + 7


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("blurr:3", "--perturb blurr:3: no perturbation 'blurr'; did you mean blur?"),
        ("", "--perturb : no perturbation ''; known: all, blind, "),
        ("image:", "--perturb image:: no perturbation ''; known: "),
        ("blur:6", "severity is '6'; give a whole number from 1 to 5"),
        ("blur:-1", "severity is '-1'; give a whole number from 1 to 5"),
        ("blur:1-6", "severity is '6'; give"),
        ("blur:5-1", "5-1 is no range; write 1-5"),
        ("blur:strong", "severity is 'strong'; give a whole number from 1 to 5"),
        ("blur", "severity is missing, a whole number from 1 to 5; write gaussian_blur:3"),
        ("blur:sigma=-1", "sigma is '-1'; give a number from 0 to 100"),
        ("blur:severity=1,sigma=1", "give one of severity and sigma, not both"),
        ("blur:size=1", "gaussian_blur has no parameter 'size'; "),
        ("typos", "prob is missing, a number from 0 to 1; write typos:0.1"),
        ("typos:nan", "prob is 'nan'; give a number from 0 to 1"),
        ("typos:0.1,0.2", "prob is '0.1,0.2'; give a number"),
        ("typos:prob=0.1,0.2", "'0.2' names no parameter; write PARAMETER=VALUE"),
        ("spaces:0", "max is '0'; give a whole number from 1 to 20"),
        ("lowercase:3", "lowercase takes no parameter; write lowercase"),
        ("filler:prob=0.1,words=a||b", "words is 'a||b'; give words separated by |"),
        ("filler:prob=0.1,words=a(b)", "words is 'a(b)'; give words separated by |"),
        ("lowercase@1(pairs=1)", "lowercase has no parameter 'pairs'; write lowercase"),
        ("nothing@1(pairs=1)", "no perturbation 'nothing'; known: "),
        ("translate@2(name=x)", "version 2 is not known here; 1 is"),
        ("gender:it", "source is 'it'; give male or female"),
        ("gender:female", "from female to female; give source=female,target=male"),
        ("choices:rotate:0", "by is '0'; give a whole number from 1 to 25"),
        ("choices:turn", "no perturbation 'choices_turn'; did you mean choices_rotate?"),
        ("image:typos:0.1", "typos is of the family robustness; leave out image:"),
        ("text:blur:1", "gaussian_blur is of the family image; leave out text:"),
        ("translate", "in Python: evaluate(task, perturb=[sgleval.perturb.translate(function"),
        ("dialect:scots", "perturb=[sgleval.perturb.dialect(words, name=...)])"),
        ("person_name", "perturb=[sgleval.perturb.person_name(names, name=...)])"),
        ("typos@2(prob=0.1)", "perturbation typos@2(prob=0.1): version 2 is not known here; 1 is"),
        ("typos@1(", "this is no full name; one is typos@1(prob=0.1)"),
        ("lowercase@1(x=1)", "lowercase has no parameter 'x'; write lowercase"),
    ],
)
def test_a_spec_that_names_nothing_says_what_to_write(spec, message):
    with pytest.raises(UserError) as raised:
        parse([spec])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("perturbation", EVERY, ids=lambda perturbation: perturbation.full_name)
def test_a_full_name_leads_back(perturbation):
    again = of_name(perturbation.full_name)
    assert again == perturbation
    assert hash(again) == hash(perturbation)
    assert (again.needs_donor, again.rewrites) == (perturbation.needs_donor, perturbation.rewrites)
    donor = (Image(picture("blue")),)
    assert again.apply(scene(), 0, donor) == perturbation.apply(scene(), 0, donor)


@pytest.mark.parametrize("perturbation", EVERY, ids=lambda perturbation: perturbation.full_name)
def test_a_copy_keeps_all_that_is_not_changed_on_purpose(perturbation):
    sample, donor = scene(), (Image(picture("blue")),)
    copy = perturbation.apply(sample, 0, donor)
    if copy is None:
        return
    assert copy != sample
    assert (copy.id, copy.tags) == (sample.id, sample.tags)
    assert len(copy.images) == 1
    family = perturbation.family
    if family not in {"image", "baseline"}:
        assert copy.images == sample.images
    if family not in {"robustness", "fairness"}:
        assert copy.question == sample.question
    if family != "choices":
        assert copy.choices == sample.choices
    if not perturbation.rewrites:
        assert (copy.answers, copy.choices) == (sample.answers, sample.choices)


def test_neither_order_nor_company_of_samples_changes_a_copy():
    samples = [scene(f"q{n}", color) for n, color in enumerate(COLOURS * 2)]
    donor = (Image(picture("grey")),)
    alone = {
        (sample.id, name.full_name): name.apply(sample, 5, donor)
        for sample in samples
        for name in EVERY
    }
    shuffled = random.Random(0).sample(samples, 6)
    for name in reversed(EVERY):
        for sample in shuffled:
            assert name.apply(sample, 5, donor) == alone[sample.id, name.full_name]


def test_every_name_is_in_the_bundle_all_or_left_out_on_purpose():
    inside = {perturbation.name for perturbation in parse(["all"])}
    assert set(KINDS) - inside == {"uppercase", "mild_mix", "gender"}
    assert set(ALIASES.values()) <= set(KINDS)
    assert not (set(ALIASES) | set(BUNDLES)) & set(KINDS)


@pytest.mark.parametrize(
    ("by", "choices", "answers"),
    [
        (1, ("three", "one", "two"), ("A", "two", "C", "else")),
        (2, ("two", "three", "one"), ("B", "two", "A", "else")),
    ],
)
def test_options_move_and_letters_follow(by, choices, answers):
    sample = scene(choices=("one", "two", "three"), answers=("C", "two", "b", "else"))
    copy = parse([f"choices:rotate:{by}"])[0].apply(sample, 0)
    assert (copy.choices, copy.answers) == (choices, answers)


def test_an_answer_that_is_a_letter_and_an_options_text_is_a_letter():
    sample = scene(choices=("B", "A", "c"), answers=("A", "c"))  # A is lettered: the option B
    copy = parse(["choices:rotate"])[0].apply(sample, 0)
    assert (copy.choices, copy.answers) == (("c", "B", "A"), ("B", "c"))


@pytest.mark.parametrize("choices", [(), ("one",), ("one", "two"), tuple("x" * 27)])
def test_a_rotation_that_is_none_is_not_sent(choices):
    assert parse(["choices:rotate:2"])[0].apply(scene(choices=choices), 0) is None


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 26), st.data())
def test_all_rotations_put_the_gold_option_once_at_each_place(count, data):
    gold = data.draw(st.integers(0, count - 1))
    texts = tuple(f"option {n}" for n in range(count))
    sample = scene(choices=texts, answers=(chr(65 + gold),))
    seen = {sample.answers[0]}
    for perturbation in parse([f"choices:rotate:1-{count - 1}"]):
        copy = perturbation.apply(sample, 0)
        assert copy.choices[ord(copy.answers[0]) - 65] == texts[gold]
        seen.add(copy.answers[0])
    assert len(seen) == count


def sets(*colors):
    return [(Image(picture(color)),) for color in colors]


def test_every_question_of_a_picture_gets_the_same_wrong_one():
    wrong = donors(sets(*COLOURS, *COLOURS), 0)
    assert len(wrong) == len(COLOURS)
    assert sorted(map(repr, wrong.values())) == sorted(map(repr, wrong))
    assert set(wrong) == set(wrong.values())  # each is a donor once
    assert all(images != other for images, other in wrong.items())
    [perturbation] = parse(["wrong_image"])
    copy = perturbation.apply(scene(), 0, wrong[scene().images])
    assert copy == replace(scene(), images=wrong[scene().images])


def test_donors_depend_on_the_seed_and_not_on_the_order():
    assert donors(sets(*COLOURS), 1) == donors(sets(*reversed(COLOURS), "red"), 1)
    assert len({tuple(donors(sets(*COLOURS), seed).items()) for seed in range(20)}) > 5


def test_one_more_picture_changes_one_donor():
    before, after = donors(sets(*COLOURS), 3), donors(sets(*COLOURS, "yellow"), 3)
    assert sum(before[images] != after[images] for images in before) == 1


def test_the_same_content_is_the_same_picture_wherever_it_lies(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture("red"))
    files = [(Image(tmp_path / name),) for name in ("a.png", "b.png")]
    wrong = donors([*files, *sets("blue", "green")], 0)
    assert wrong[files[0]] == wrong[files[1]]
    assert wrong[files[0]][0].digest != files[0][0].digest
    with pytest.raises(UserError, match="all questions are about the same image; give data"):
        donors(files, 0)


def test_sets_of_images_get_as_many_of_others():
    red, green, blue = (Image(picture(color)) for color in COLOURS[:3])
    wrong = donors([(red, green), (red,), (blue,)], 0)
    assert wrong[red, green] == (blue, blue)  # the only picture that is not its own
    assert (wrong[(red,)], wrong[(blue,)]) == ((blue,), (red,))
    with pytest.raises(UserError, match="same image"):
        donors([(red, green), (green, red)], 0)
    assert donors([(), ()], 0) == {}


def test_a_wrong_image_needs_a_donor_where_there_is_an_image():
    [perturbation] = parse(["wrong_image"])
    assert isinstance(perturbation, Perturbation)
    assert perturbation.needs_donor
    with pytest.raises(ValueError, match="needs another sample's images"):
        perturbation.apply(scene(), 0)
    assert perturbation.apply(scene(images=()), 0) is None
