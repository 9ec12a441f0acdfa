from math import prod

from hypothesis import given
from hypothesis import strategies as st

from sgleval import grid

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
