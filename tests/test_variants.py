from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval import grid
from sgleval.errors import UserError

FACTORS = st.dictionaries(
    st.sampled_from(["instruction", "shots", "style"]),
    st.dictionaries(st.sampled_from("abcd"), st.integers(), min_size=1),
    min_size=1,
)


@given(FACTORS)
def test_a_grid_has_the_size_of_the_product(factors):
    variants = grid(**factors)
    assert len(variants) == prod(map(len, factors.values()))
    for label, arguments in variants.items():
        chosen = dict(zip(factors, label.split("+"), strict=True))
        assert arguments == {name: factors[name][chosen[name]] for name in factors}


def test_labels_join_in_the_order_of_the_factors_and_the_first_values_come_first():
    variants = grid(shots={"none": 0, "two": 2}, instruction={"bare": "", "terse": "Be brief."})
    assert list(variants) == ["none+bare", "none+terse", "two+bare", "two+terse"]
    assert variants["two+bare"] == {"shots": 2, "instruction": ""}


def test_two_combinations_of_one_label_are_refused():
    with pytest.raises(UserError, match=r"^grid: two combinations are called 'a\+b\+c'; rename"):
        grid(shots={"a": 0, "a+b": 1}, style={"b+c": 0, "c": 1})


@pytest.mark.parametrize("values", [{}, ["terse", "bare"], "terse"])
def test_a_factor_without_labels_is_refused(values):
    with pytest.raises(UserError, match=r"^grid: style is .*; give a dict of label: value$"):
        grid(style=values)
