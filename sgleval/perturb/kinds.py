"""Kinds of perturbations: what a name stands for before its parameters are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgleval.errors import UserError, nearest
from sgleval.perturb.perturbation import Change, Perturbation, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEVERITIES = 5


@dataclass(frozen=True)
class Parameter:
    """What may stand after a perturbation's name."""

    name: str
    read: Callable[[str], Value]
    """Raises `ValueError` where the text is no such value."""
    wanted: str
    example: str
    default: Value | None = None
    optional: bool = False
    """Whether it may be missing, in full names, too."""

    def of(self, where: str, given: str) -> Value:
        """Return the value of a text, else raise `UserError`."""
        try:
            return self.read(given)
        except ValueError:
            raise UserError(f"{where}: {self.name} is {given!r:.60}; give {self.wanted}") from None


@dataclass(frozen=True)
class Kind:
    """A perturbation before its parameters are known."""

    family: str
    change: Change
    parameters: tuple[Parameter, ...] = ()
    """A value without a name is the first one's."""
    one_of: bool = False
    """Exactly one of the parameters is given, instead of all."""
    needs_donor: bool = False
    rewrites: bool = False
    problem: Callable[[Mapping[str, Value]], str] = lambda _: ""
    """What is wrong with the values together, if anything."""

    def made(self, where: str, name: str, given: Mapping[str, str]) -> Perturbation:
        """Return the perturbation with these parameters; `where` opens the message of an error.

        Raises:
            UserError: a parameter is unknown, missing or out of its limits.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for unknown in given.keys() - known:
            hint = nearest(unknown, known) if known else f"write {name}"
            raise UserError(f"{where}: {name} has no parameter {unknown!r}; {hint}")
        if self.one_of and len(given) > 1:
            raise UserError(f"{where}: give one of {' and '.join(known)}, not both")
        values = {
            parameter.name: parameter.of(where, given[parameter.name])
            if parameter.name in given
            else parameter.default
            for parameter in self._wanted(where, name, given)
        }
        kept = {key: value for key, value in values.items() if value is not None}
        if problem := self.problem(kept):
            raise UserError(f"{where}: {problem}")
        return Perturbation(
            *(name, self.family, self.change, kept),
            needs_donor=self.needs_donor,
            rewrites=self.rewrites,
        )

    def _wanted(self, where: str, name: str, given: Mapping[str, str]) -> list[Parameter]:
        """Return the parameters that have a value, once none of them is missing."""
        if self.one_of and given:
            return [parameter for parameter in self.parameters if parameter.name in given]
        for parameter in self.parameters:
            if parameter.name not in given and parameter.default is None and not parameter.optional:
                raise UserError(
                    f"{where}: {parameter.name} is missing, {parameter.wanted}; write"
                    f" {name}:{parameter.example}"
                )
        return list(self.parameters)


def number(name: str, most: float, example: str, least: float = 0) -> Parameter:
    """Return a parameter that is a number within limits."""

    def read(given: str) -> float:
        value = float(given)
        if not least <= value <= most:
            raise ValueError(given)
        return value

    return Parameter(name, read, f"a number from {least:g} to {most:g}", example)


def whole(name: str, least: int, most: int, example: str, default: int | None = None) -> Parameter:
    """Return a parameter that is a whole number within limits."""

    def read(given: str) -> int:
        value = int(given)
        if not least <= value <= most:
            raise ValueError(given)
        return value

    return Parameter(name, read, f"a whole number from {least} to {most}", example, default)


def severity() -> Parameter:
    """Return the severity, 1 to 5; 0 is the original image, whose copy is not sent."""
    read = whole("severity", 0, SEVERITIES, "3").read
    return Parameter("severity", read, f"a whole number from 1 to {SEVERITIES}", "3")


def sex(name: str, default: str) -> Parameter:
    """Return a parameter that is one of the two that `gender` exchanges."""

    def read(given: str) -> str:
        if given not in {"male", "female"}:
            raise ValueError(given)
        return given

    return Parameter(name, read, "male or female", default, default)
