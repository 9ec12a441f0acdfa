import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.stats import described_interval, design_effect, interval, wilson

IMAGES = ["a", "a", "b", "c", "c"]


@pytest.mark.parametrize(
    ("numerators", "denominators", "bounds", "expected"),
    [
        ([0] * 5, [1] * 5, (0, 1), wilson(0, 3)),  # all wrong on three images
        ([2, 4, 2, 6, 2], [2, 4, 2, 6, 2], (0, 1), wilson(3, 3)),
        ([0] * 5, [5, 8, 2, 1, 1], (0, None), wilson(0, 3)),  # no error in any word
        ([1, 0, 0, 0, 0], [1, 0, 1, 0, 0], (0, 1), (0, 1)),
        ([0] * 5, [1] * 5, (-1, 1), (0, 0)),  # a difference of 0 is not at an end
        ([0] * 5, [0] * 5, (0, 1), None),
        ([1, 0, 1, 0, 0], [1, 0, 1, 0, 0], (0, 1), wilson(2, 2)),  # c says nothing
    ],
)
def test_the_ends_of_the_range(numerators, denominators, bounds, expected):
    ends = interval(numerators, denominators, IMAGES, bounds)
    assert ends == (expected if expected is None else pytest.approx(expected, abs=1e-9))


def test_one_image_has_no_interval():
    assert interval([1, 0], [1, 1], ["a", "a"], (0, 1)) is None
    assert interval([], [], [], (0, 1)) is None


def test_an_unbounded_rate_is_not_clipped_above():
    low, high = interval([9, 1, 0, 3, 5], [3, 1, 2, 1, 1], IMAGES, (0, None))
    assert low == 0
    assert high > 2.25


def test_partial_scores_with_one_question_an_image_get_the_ordinary_standard_error():
    scores = pl.Series([0.1, 0.5, 0.7, 0.6, 0.8, 0.3])
    low, high = interval(scores, [1] * 6, list("abcdef"), (0, 1))
    reach = 2.5705818366 * scores.std() / 6**0.5  # t(5, 0.975)
    assert (low, high) == pytest.approx((scores.mean() - reach, scores.mean() + reach))


samples = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from("abcd")), min_size=1
)


@given(samples, st.randoms())
def test_the_interval_holds_the_value_and_ignores_the_order(samples, random):
    def ends(rows):
        numerators, denominators, images = map(list, zip(*rows, strict=True))
        return interval(numerators, denominators, images, (0, None))

    found = ends(samples)
    assert (found is None) == (len({image for *_, image in samples}) < 2)
    if found is not None:
        value = sum(n for n, *_ in samples) / sum(d for _, d, _ in samples)
        assert found[0] <= value + 1e-9
        assert value <= found[1] + 1e-9
        shuffled = random.sample(samples, len(samples))
        assert ends(shuffled) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize(
    ("numerators", "denominators", "images", "bounds", "method"),
    [
        ([1, 0], [1, 1], "ab", (0, 1), "wilson"),
        ([0, 0, 0], [1, 1, 1], "aab", (0, 1), "wilson"),
        ([1, 0, 1], [1, 1, 1], "aab", (0, 1), "clustered t"),
        ([0.5, 0], [1, 1], "ab", (0, 1), "clustered t"),
        ([1, 0], [1, 1], "aa", (0, 1), "none: one image"),
        ([0, 0], [0, 0], "ab", (0, 1), "none: no value"),
    ],
)
def test_an_interval_says_how_it_was_made_or_why_there_is_none(
    numerators, denominators, images, bounds, method
):
    found = described_interval(numerators, denominators, list(images), bounds)
    assert found.method == method
    assert found.clusters == len(set(images))
    assert (found.low is None) == method.startswith("none")


def test_one_question_per_image_has_a_design_effect_of_one():
    assert design_effect([1, 0, 0, 1], [1] * 4, list("abcd")) == pytest.approx(1)
    copies = design_effect([1, 0, 0, 1] * 3, [1] * 12, list("abcd") * 3)
    assert copies == pytest.approx(3 * (4 / 3) / (12 / 11))  # three copies of each say no more


def test_without_spread_there_is_no_design_effect():
    assert design_effect([1, 1], [1, 1], ["a", "b"]) is None
    assert design_effect([1, 0], [1, 1], ["a", "a"]) is None
    assert design_effect([0, 0], [0, 0], ["a", "b"]) is None
