import doctest

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.metrics import calibration
from sgleval.metrics.calibration import (
    Bin,
    brier,
    ece_equal_mass,
    ece_equal_width,
    reliability_bins,
    selective_accuracy,
    selective_area,
)

SURE = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5]
RIGHT = [1, 1, 1, 0, 1, 1, 0, 1, 0, 0]
TIED, TIED_RIGHT = [0.9] * 4 + [0.6] * 4, [1, 1, 1, 0, 1, 0, 0, 0]


def test_the_errors_of_ten_steps_are_the_known_ones():
    masses = [ece_equal_mass(SURE, RIGHT, bins) for bins in (10, 5, 2, 1)]
    assert masses == pytest.approx([0.375, 0.265, 0.125, 0.125])
    assert ece_equal_width(SURE, RIGHT, 10) == pytest.approx(0.185)
    assert ece_equal_width(SURE, RIGHT, 1) == pytest.approx(0.125)
    assert brier(SURE, RIGHT) == pytest.approx(0.19625)
    assert selective_area(SURE, RIGHT) == pytest.approx(0.8114286, abs=1e-7)
    assert selective_accuracy(SURE, RIGHT, 0.1) == 1
    assert selective_accuracy(SURE, RIGHT, 1) == pytest.approx(0.6)


def test_ties_share_a_bin_and_their_mean():
    assert [ece_equal_mass(TIED, TIED_RIGHT, bins) for bins in (1, 2, 10)] == pytest.approx(
        [0.25] * 3
    )
    assert selective_area(TIED, TIED_RIGHT) == pytest.approx(0.6586310, abs=1e-7)
    assert selective_accuracy(TIED, TIED_RIGHT, 0.25) == 0.75


def test_an_edge_belongs_to_the_bin_below_it():
    bins = reliability_bins([0, 0.5, 0.50001, 1], [0, 1, 0, 1], bins=2)
    assert bins == [Bin(0, 0.5, 2, 0.25, 0.5), Bin(0.5, 1, 2, pytest.approx(0.750005), 0.5)]


def test_a_share_that_floats_miss_takes_its_whole_count():
    right = [1, 1, 0, *[0] * 7]
    assert selective_accuracy(SURE, right, 0.3) == pytest.approx(2 / 3)  # 0.3 * 10 < 3
    assert selective_accuracy(SURE, right, 0.01) == 1


def test_empty_bins_are_there_and_say_so():
    bins = reliability_bins([0.9], [True], bins=3)
    assert [row.n for row in bins] == [0, 0, 1]
    assert bins[0] == (0, pytest.approx(1 / 3), 0, None, None)


def test_bins_of_equal_mass_are_cut_midway_larger_ones_first():
    bins = reliability_bins([0.1, 0.2, 0.4, 0.8, 0.9], [0, 0, 1, 1, 1], bins=2, equal_mass=True)
    assert [row.high for row in bins] == pytest.approx([0.6, 1])
    assert [row.n for row in bins] == [3, 2]


def test_without_samples_there_is_no_value():
    for measure in (ece_equal_width, ece_equal_mass, brier, selective_area):
        assert measure([], []) is None
    assert selective_accuracy([], [], 0.5) is None
    assert reliability_bins([], [], bins=1, equal_mass=True) == [Bin(0, 1, 0, None, None)]


def test_columns_of_a_frame_are_taken():
    frame = pl.DataFrame({"confidence": SURE, "correct": [bool(right) for right in RIGHT]})
    assert brier(frame["confidence"], frame["correct"]) == pytest.approx(0.19625)


@pytest.mark.parametrize(
    ("sure", "right", "message"),
    [
        ([0.5], [1, 0], "1 confidences for 2 samples"),
        ([1.1], [1], "outside 0 to 1"),
        ([float("nan")], [1], "outside 0 to 1"),
        ([None], [1], "outside 0 to 1"),
    ],
)
def test_what_cannot_be_a_confidence_is_refused(sure, right, message):
    for measure in (ece_equal_width, ece_equal_mass, brier, selective_area):
        with pytest.raises(ValueError, match=message):
            measure(sure, right)


def test_a_number_of_bins_or_a_share_below_the_least_is_refused():
    with pytest.raises(ValueError, match="bins is 0"):
        ece_equal_width([0.5], [1], 0)
    with pytest.raises(ValueError, match="bins is -1"):
        reliability_bins([0.5], [1], -1, equal_mass=True)
    for coverage in (0, 1.1):
        with pytest.raises(ValueError, match="coverage is"):
            selective_accuracy([0.5], [1], coverage)


def test_the_examples_hold():
    assert doctest.testmod(calibration).failed == 0


levels = st.sampled_from([0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 1]) | st.floats(0, 1)
rows = st.lists(st.tuples(levels, st.booleans()), min_size=1, max_size=20)


@given(rows.flatmap(lambda drawn: st.tuples(st.just(drawn), st.permutations(drawn))))
def test_the_order_of_rows_changes_nothing(orders):
    one, other = (list(map(list, zip(*drawn, strict=True))) for drawn in orders)
    for measure in (ece_equal_width, ece_equal_mass, brier, selective_area):
        assert measure(*one) == pytest.approx(measure(*other))
    assert selective_accuracy(*one, 0.4) == pytest.approx(selective_accuracy(*other, 0.4))


@given(rows, st.integers(1, 12))
def test_bins_hold_all_samples_and_give_the_error(drawn, bins):
    sure, right = map(list, zip(*drawn, strict=True))
    for measure, equal_mass in ((ece_equal_width, False), (ece_equal_mass, True)):
        cut = reliability_bins(sure, right, bins, equal_mass=equal_mass)
        assert sum(row.n for row in cut) == len(drawn)
        gaps = [row.n * abs(row.confidence - row.correct) for row in cut if row.n]
        assert measure(sure, right, bins) == pytest.approx(sum(gaps) / len(drawn), abs=1e-9)
        assert 0 <= measure(sure, right, bins) <= 1
