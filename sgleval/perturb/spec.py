"""What `--perturb` takes: names, aliases, bundles, and the way back from a full name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sgleval.errors import UserError, nearest
from sgleval.perturb.catalog import KINDS
from sgleval.perturb.perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sgleval.perturb.kinds import Kind
    from sgleval.sample import Image, Sample

ALIASES = {
    "blur": "gaussian_blur",
    "rotation": "rotate",
    "skew": "perspective",
    "crop": "crop_margin",
    "noise": "gaussian_noise",
    "greyscale": "grayscale",
}

ROBUSTNESS_ALL = (
    "typos:0.01",
    "misspelling:0.1",
    "lowercase",
    "contraction",
    "expansion",
    "spaces:3",
    "filler:0.1",
)
BUNDLES: Mapping[str, tuple[str, ...]] = {
    "robustness": ("mild_mix",),
    "robustness_all": ROBUSTNESS_ALL,
    "typos_sweep": ("typos:0.05", "typos:0.1", "typos:0.2", "typos:0.3"),
    "all": (
        *ROBUSTNESS_ALL,
        *(f"{name}:3" for name, kind in KINDS.items() if kind.one_of),
        "grayscale",
        "choices:rotate",
        "blind",
        "wrong_image",
    ),
}
"""`all` is `robustness_all`, every image perturbation at severity 3, the options moved by one, and
both baselines."""

PREFIXES = {"text": {"robustness", "fairness"}, "image": {"image"}, "baseline": {"baseline"}}

OWN = {
    "translate": ("robustness", "translate(function, name=...)"),
    "dialect": ("fairness", "dialect(words, name=...)"),
    "person_name": ("fairness", "person_name(names, name=...)"),
}
"""What needs a function or a map of the user's: its family, and how to make it in Python."""

FULL_NAME = re.compile(r"(\w+)@(\d+)(?:\(([^()]*)\))?")
RANGE = re.compile(r"(\d+)-(\d+)")


def parse(specs: Iterable[str | Perturbation]) -> tuple[Perturbation, ...]:
    """Return what the values of `--perturb` name, in their order and without repeats.

    A spec is `NAME`, `NAME:VALUE` (a severity, or the main parameter), `NAME:1-5` (each of a range
    of whole numbers), `NAME:PARAMETER=VALUE,...`, a full name as tables show it, or a bundle.
    `image:`, `text:` and `baseline:` may stand before it; `choices:rotate:K` moves options. A
    `Perturbation`, such as one of a function of the user's, is taken as it is.

    >>> [p.full_name for p in parse(["typos:0.1", "image:blur:2-3"])]
    ['typos@1(prob=0.1)', 'gaussian_blur@1(severity=2)', 'gaussian_blur@1(severity=3)']

    Raises:
        UserError: no such perturbation or parameter, or a value that it does not take.
    """
    found: dict[str, Perturbation] = {}
    for spec in specs:
        for perturbation in [spec] if isinstance(spec, Perturbation) else _parsed(spec):
            found.setdefault(perturbation.full_name, perturbation)
    return tuple(found.values())


def of_name(full_name: str) -> Perturbation:
    """Return the perturbation whose full name stands in a table or a journal.

    One that was made of a user's function or map is known by name only: applying it raises.

    Raises:
        UserError: no such perturbation, or another version of it.
    """
    where = f"perturbation {full_name}"
    parts = FULL_NAME.fullmatch(full_name)
    if not parts:
        raise UserError(f"{where}: this is no full name; one is typos@1(prob=0.1)")
    name, version, listed = parts.groups()
    given = dict(item.partition("=")[::2] for item in listed.split(",")) if listed else {}
    if version != "1":
        raise UserError(f"{where}: version {version} is not known here; 1 is")
    if name in OWN or (name == "gender" and "pairs" in given):
        return _by_name_only(name, given)
    return _kind(where, name).made(where, name, given)


def _parsed(spec: str) -> Iterator[Perturbation]:
    where = f"--perturb {spec}"
    prefix, _, rest = spec.strip().partition(":")
    if prefix not in PREFIXES:
        prefix, rest = "", re.sub("^choices:", "choices_", spec.strip())
    if rest in BUNDLES:
        for item in BUNDLES[rest]:
            yield from _parsed(item)
    elif "@" in rest:
        yield of_name(rest)
    else:
        yield from _single(where, prefix, rest)


def _single(where: str, prefix: str, rest: str) -> Iterator[Perturbation]:
    name, _, value = rest.partition(":")
    name = ALIASES.get(name, name)
    kind = _kind(where, name)
    if prefix and kind.family not in PREFIXES[prefix]:
        raise UserError(f"{where}: {name} is of the family {kind.family}; leave out {prefix}:")
    for given in _givens(where, name, kind, value):
        yield kind.made(where, name, given)


def _kind(where: str, name: str) -> Kind:
    if name in OWN:
        raise UserError(
            f"{where}: a command line cannot give it what it needs; in Python: evaluate(task,"
            f" perturb=[sgleval.perturb.{OWN[name][1]}])"
        )
    if name not in KINDS:
        known = [*KINDS, *ALIASES, *BUNDLES, *OWN]
        raise UserError(f"{where}: no perturbation {name!r}; {nearest(name, known)}")
    return KINDS[name]


def _givens(where: str, name: str, kind: Kind, value: str) -> list[dict[str, str]]:
    """Return the parameters' texts, once for each perturbation that the value asks for."""
    if not value:
        return [{}]
    if not kind.parameters:
        raise UserError(f"{where}: {name} takes no parameter; write {name}")
    if "=" in value:
        return [dict(_named(where, item) for item in value.split(","))]
    first = kind.parameters[0]
    ends = RANGE.fullmatch(value)
    if not ends:
        return [{first.name: value}]
    low, high = map(int, ends.groups())
    first.of(where, ends[2])  # before a list is made of an enormous range
    if low > high:
        raise UserError(f"{where}: {low}-{high} is no range; write {high}-{low}")
    return [{first.name: str(number)} for number in range(low, high + 1)]


def _named(where: str, item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals:
        raise UserError(f"{where}: {item!r:.60} names no parameter; write PARAMETER=VALUE")
    return name, value


def _by_name_only(name: str, given: Mapping[str, str]) -> Perturbation:
    def change(
        perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
    ) -> Sample:
        del sample, seed, donor
        raise UserError(
            f"perturbation {perturbation.full_name}: it was made of something of your own; give"
            " that again, in Python: evaluate(task, perturb=[...])"
        )

    family = OWN[name][0] if name in OWN else KINDS[name].family
    return Perturbation(
        name, family, change, dict(given), rewrites=name in {"gender", "person_name"}
    )
