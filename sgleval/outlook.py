"""What a run would send and what it could share: the report of `sgleval plan`."""

import inspect
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgleval.ceiling import Ceiling
from sgleval.plan import Plan, Request
from sgleval.runtime.record import first_prompt

MARK = "\x01{}\x01"


@dataclass(frozen=True)
class Outlook:
    """A plan in numbers; tokens and ceiling are estimates, null where nobody can know."""

    task: str
    model: str
    samples: int
    images: int
    requests: int
    groups: int
    prompt_tokens: int | None
    ceiling: float | None
    expected_seconds: float | None
    notes: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield the report, a line a fact."""
        yield f"{self.task} on {self.model}: nothing was sent"
        yield f"samples: {self.samples}, of {self.images} images"
        yield f"requests: {self.requests}, in {self.groups} groups that share a prefix"
        if self.prompt_tokens is not None and self.ceiling is not None:
            yield f"prompt tokens: about {self.prompt_tokens:,}"
            yield f"ceiling of prefix reuse: about {self.ceiling:.3f}"
        if self.expected_seconds is not None:
            yield f"expected time: about {self.expected_seconds:.0f} s, at the last run's rate"
        yield from (f"note: {note}" for note in self.notes)


def outlook(plan: Plan, last: dict[str, Any] | None) -> Outlook:
    """Return what a plan would send; `last` is the summary of an earlier run, for its rate."""
    template = plan.model.template
    folder = template.folder if plan.generations == 1 else None
    ceiling = Ceiling.of(folder, template.image) if folder else None
    count = image_tokens(folder) if folder else None
    requests, images, groups = 0, set[str](), list[Request]()
    for group in plan.groups(lambda _: True):
        requests += len(group)
        groups.append(group[0])
        images.update(image.digest for image in group[0].sample.images)
        for request in group:
            if ceiling and count and (prompt := request.prompt):
                pictures = sum(count(*image.size) for image in request.sample.images)
                ceiling.add(prompt.text, prompt.images, image_tokens=pictures)
    known = ceiling is not None and count is not None and ceiling.known
    return Outlook(
        task=plan.task.name,
        model=plan.model.name,
        samples=sum(plan.mask),
        images=len(images),
        requests=requests,
        groups=len(groups),
        prompt_tokens=ceiling.prompt_tokens if ceiling and known else None,
        ceiling=ceiling.value if ceiling and known else None,
        expected_seconds=_expected(requests, last),
        notes=tuple(_notes(plan, groups, len(images))),
    )


def image_tokens(folder: Path) -> Callable[[int, int], int] | None:
    """Return how many tokens a picture of (width, height) takes, for processors of Qwen's kind.

    They resize to multiples of patch times merge pixels within a least and a most number of pixels
    (`smart_resize` of transformers). None for other processors.
    """
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    size = settings.get("size") or {}
    least = settings.get("min_pixels") or size.get("shortest_edge")
    most = settings.get("max_pixels") or size.get("longest_edge")
    if not (least and most and settings.get("merge_size") and settings.get("patch_size")):
        return None
    unit = settings["patch_size"] * settings["merge_size"]

    def count(width: int, height: int) -> int:
        wide, high = (max(unit, round(side / unit) * unit) for side in (width, height))
        if wide * high > most:
            shrink = math.sqrt(width * height / most)
            wide, high = (max(unit, int(side / shrink / unit) * unit) for side in (width, height))
        elif wide * high < least:
            grow = math.sqrt(least / (width * height))
            wide, high = (math.ceil(side * grow / unit) * unit for side in (width, height))
        return int(wide * high // unit**2)

    return count


def _expected(requests: int, last: dict[str, Any] | None) -> float | None:
    """Return the seconds that the last run of this kind would take for so many requests."""
    cost = (last or {}).get("cost") or {}
    return requests * cost["seconds"] / cost["sent"] if cost.get("sent") else None


def _notes(plan: Plan, leaders: list[Request], images: int) -> Iterator[str]:
    if plan.note:
        yield plan.note
    if len(leaders) > images * len(plan.task.variants) and (early := early_text(plan)):
        name, line = early
        yield (
            f"the parameter {name!r} is written before the image ({line}), so questions on one"
            " image share nothing; move it behind"
        )


def early_text(plan: Plan) -> tuple[str, str] | None:
    """Return the parameter whose text stands before the last image, and the source line of it.

    Found by running the program with marked texts; None where it depends on what the texts say.
    """
    program, request = plan.task.program, next(plan.requests())
    texts = {n: v for n, v in request.call.arguments.items() if isinstance(v, str)}
    varying = set(texts) - set(plan.task.variants[request.variant])
    marked = {name: MARK.format(name) for name in varying}
    call = replace(request.call, arguments=dict(request.call.arguments) | marked)
    prompt = first_prompt(program, call, plan.model.template)
    if prompt is None:
        return None
    before = prompt.text.rpartition(plan.model.template.image)[0]
    found = next((name for name in sorted(marked) if marked[name] in before), None)
    return None if found is None else (found, _line_of(program.func, found))


def _line_of(function: Any, name: str) -> str:
    lines, first = inspect.getsourcelines(function)
    for number, line in enumerate(lines[1:], start=first + 1):
        if re.search(rf"(?<!\w){name}(?!\w)", line) and not line.lstrip().startswith("def "):
            return f"{Path(inspect.getfile(function)).name}:{number}: {line.strip()}"
    return Path(inspect.getfile(function)).name
