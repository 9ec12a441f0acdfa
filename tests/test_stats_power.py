"""Many tests, many models, and how many samples a difference needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.errors import UserError
from sgleval.stats import detectable, holm, mcnemar, mean_win_rate, sample_size, win_rates


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p):
    adjusted = holm(p)
    assert all(one <= other <= 1 for one, other in zip(p, adjusted, strict=True))
    ranked = [adjusted[i] for i in sorted(range(len(p)), key=p.__getitem__)]
    assert ranked == sorted(ranked)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_does_not_ask_which_run_is_which(b, c):
    assert 0 < mcnemar(b, c) == mcnemar(c, b) <= 1


@given(st.lists(st.sampled_from([None, 0.1, 0.2, 0.3]), max_size=6))
def test_win_rates_average_one_half(values):
    known = [rate for rate in win_rates(values, "higher") if rate is not None]
    assert not known or sum(known) / len(known) == pytest.approx(0.5)


def test_a_model_without_a_value_is_left_out_of_its_column():
    columns = [([0.5, None, 0.9], "higher"), ([0.1, 0.2, None], "lower"), ([1, 2, 3], None)]
    assert mean_win_rate(columns) == [0.5, 0, 1]


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="different lengths"):
        mean_win_rate([([1, 2], "higher"), ([1], "higher")])


@pytest.mark.parametrize(
    ("discordance", "difference"), [(0.1, 0), (0.1, -0.1), (0.1, 0.2), (1.1, 0.2)]
)
def test_a_difference_that_cannot_be_is_refused(discordance, difference):
    with pytest.raises(UserError, match="give 0 < difference <= discordance <= 1"):
        sample_size(discordance, difference)


@given(st.floats(0.02, 0.5), st.floats(0.05, 1), st.floats(1, 5))
def test_what_so_many_samples_detect_needs_so_many(discordance, share, effect):
    wanted = discordance * share
    needed = sample_size(discordance, wanted, effect)
    assert detectable(discordance, needed, effect) == pytest.approx(wanted, rel=0.05)


def test_few_samples_detect_nothing_and_no_discordance_still_asks_for_some():
    assert detectable(0.1, 3) == 1
    assert detectable(0, 3) == 1
    assert detectable(0, 1000) == pytest.approx(7.83 / 1000, rel=0.02)
    assert detectable(0.001, 1000) == detectable(0, 1000)
