"""Fill a program's parameters from the variant, the sample, its tags and their defaults."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sgleval.errors import UserError
from sgleval.sample import Sample

SAMPLE = ("image", "images", "question", "choices")


@dataclass(frozen=True)
class Tags:
    """What the scan found of tags and images, which says what can fill a parameter."""

    everywhere: frozenset[str]
    somewhere: frozenset[str]
    most_images: int


def check(program: Any, variants: Mapping[str, Mapping[str, Any]], found: Tags) -> None:
    """Find every parameter that nothing fills, for each variant.

    Raises:
        UserError: one line that names the parameter and what could fill it.
    """
    parameters = _parameters(program)
    reserved = set(inspect.signature(type(program).run).parameters) - {"self", "args", "kwargs"}
    for name in parameters:
        if name in reserved:
            raise UserError(
                f"program {program.func.__name__}: parameter {name!r} is a keyword of SGLang's"
                " run(); give it another name"
            )
    if "image" in parameters and found.most_images > 1:
        raise UserError(
            f"program {program.func.__name__}: it takes `image`, but a sample has"
            f" {found.most_images} images; take `images`"
        )
    for label, arguments in variants.items():
        _check_variant(program, parameters, label, arguments, found)


def _check_variant(
    program: Any,
    parameters: Mapping[str, bool],
    label: str,
    arguments: Mapping[str, Any],
    found: Tags,
) -> None:
    where = f"program {program.func.__name__}"
    if unknown := sorted(set(arguments) - set(parameters)):
        raise UserError(f"variant {label!r}: {where} has no parameter {unknown[0]!r}; add it there")
    for name, has_default in parameters.items():
        if name in arguments or name in SAMPLE or name in found.everywhere or has_default:
            continue
        if name in found.somewhere:
            raise UserError(
                f"{where}: only some rows have the tag {name!r}; give the parameter a default"
            )
        tags = ", ".join(sorted(found.somewhere)) or "none"
        raise UserError(
            f"{where}: nothing fills the parameter {name!r}; give it a default, or name it like a"
            f" variant's argument, one of {', '.join(SAMPLE)}, or a tag of the data ({tags})"
        )


def tags_taken(program: Any, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tags that reach the program under a variant: they make answers different."""
    return tuple(
        name for name in _parameters(program) if name not in arguments and name not in SAMPLE
    )


def bind(
    program: Any, arguments: Mapping[str, Any], sample: Sample, clean: Callable[[str], str]
) -> dict[str, Any]:
    """Return the keyword arguments of one run; the sample's texts are cleaned here, nowhere else.

    Images stay `Image` values; the runner reads their bytes when the turn comes.
    """
    texts = {tag: clean(value) for tag, value in sample.tags.items()}
    offered = texts | {
        "image": sample.images[0] if sample.images else None,
        "images": list(sample.images),
        "question": clean(sample.question),
        "choices": [clean(choice) for choice in sample.choices],
        **arguments,
    }
    return {name: offered[name] for name in _parameters(program) if name in offered}


@lru_cache(maxsize=16)  # asked of every sample
def _parameters(program: Any) -> Mapping[str, bool]:
    """Return the names of a program's parameters and whether each has a default."""
    found = list(inspect.signature(program.func).parameters.values())[1:]
    bound = set(program.bind_arguments)
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {p.name: p.default is not p.empty for p in named if p.name not in bound}
