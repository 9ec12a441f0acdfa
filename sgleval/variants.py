"""Variants: labels for the keyword arguments that a program is run with."""

import itertools
from collections.abc import Mapping
from typing import Any


def grid(**factors: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every combination of the factors' values as variants.

    A factor is a parameter of the program with its values by label. Labels join with `+` in the
    order of the factors; the first combination is what `run` takes unless `--variant` names others.

    >>> grid(instruction={"bare": "", "terse": "Be brief."}, shots={"0": 0, "1": 1})["terse+0"]
    {'instruction': 'Be brief.', 'shots': 0}
    """
    labels = itertools.product(*factors.values())
    return {
        "+".join(combination): {
            name: factors[name][label] for name, label in zip(factors, combination, strict=True)
        }
        for combination in labels
    }
