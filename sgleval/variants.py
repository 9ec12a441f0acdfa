"""Variants: labels for the keyword arguments that a program is run with."""

import itertools
from collections.abc import Mapping
from typing import Any

from sgleval.errors import UserError


def grid(**factors: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every combination of the factors' values as variants.

    A factor is a parameter of the program with its values by label. Labels join with `+` in the
    order of the factors; the first combination is what `run` takes unless `--variant` names others.

    >>> grid(instruction={"bare": "", "terse": "Be brief."}, shots={"0": 0, "1": 1})["terse+0"]
    {'instruction': 'Be brief.', 'shots': 0}

    Raises:
        UserError: a factor has no labels, or two combinations have one label.
    """
    for name, values in factors.items():
        if not isinstance(values, Mapping) or not values:
            raise UserError(f"grid: {name} is {values!r:.60}; give a dict of label: value")
    cells = {}
    for labels in itertools.product(*factors.values()):
        joined = "+".join(map(str, labels))
        if joined in cells:
            raise UserError(f"grid: two combinations are called {joined!r}; rename a label")
        cells[joined] = {
            name: factors[name][label] for name, label in zip(factors, labels, strict=True)
        }
    return cells
