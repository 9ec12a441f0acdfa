"""How requests reach the server: which of a group goes first, and how many groups are open."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sgleval.outlook import image_tokens
from sgleval.plan import SAMPLING, Plan, Request
from sgleval.prompt_tokens import prompt_tokens
from sgleval.runtime.connection import Begun
from sgleval.runtime.leaders import Place, places
from sgleval.runtime.record import Prompt, first_prompt
from sgleval.runtime.run_batch import Outcome, run_once
from sgleval.runtime.sglang import SglangBackend
from sgleval.runtime.window import WORTH_AN_EMPTY_SLOT, leader_first

ROOM = 0.9
"""The share of the cache for open groups; the rest is for what they share and for guesses."""
ANSWER_TOKENS = 32  # before one is seen, and unless fewer are the most that it may have

Tail = Callable[[Prompt], Sequence[int] | Sequence[str]]


def warm(backend: Any, plan: Plan) -> bool:
    """Have the text before the first image computed, which all leaders need.

    Where a program shows images of its own before the sample's (few-shot examples), that is left to
    the first request; say whether it has to go ahead alone.
    """
    request, placeholder = next(plan.requests()), plan.model.template.image
    prompt = first_prompt(plan.task.program, request.call, plan.model.template)
    if prompt is None or not isinstance(backend, SglangBackend):
        return False
    own = {image.digest for image in request.sample.images}
    if not own.issuperset(prompt.images[:-1]):
        return True
    backend.cache_prefix(prompt.text.partition(placeholder)[0])
    return False


def tails(plan: Plan) -> Tail:
    """Return what reads a prompt behind its last image: in the model's tokens, or else in words."""
    template = plan.model.template
    reader = prompt_tokens(template.folder, template.image) if template.folder else None

    def tail(prompt: Prompt) -> Sequence[int] | Sequence[str]:
        if not reader:
            return re.findall(r"\s?\w+|\W", prompt.text.rpartition(template.image)[2])
        return reader.cut(prompt.text)[1] if prompt.images else reader.of_prefix(prompt.text)

    return tail


def arranger(
    plan: Plan, backend: Any, tail: Tail
) -> Callable[[Sequence[Request]], Sequence[Place]]:
    """Return what says which request of a group waits for which one, by where prompts part."""
    if not isinstance(backend, SglangBackend):  # a user's own model has no cache of prefixes
        return leader_first

    def arrange(group: Sequence[Request]) -> Sequence[Place]:
        prompts = [request.prompt for request in group if request.prompt is not None]
        if len(prompts) < len(group) or len(group) == 1:
            return leader_first(group)
        later = plan.generations > 1 and group[0].sample.images  # after the first answer, perhaps
        shared = WORTH_AN_EMPTY_SLOT if prompts[0].images or later else 0
        return places([tail(prompt) for prompt in prompts], shared)

    return arrange


def answering(
    plan: Plan, backend: Any, *, early: bool
) -> Callable[[Request, Begun | None], Outcome]:
    """Return what runs a request's program, and lets those that wait for it start early.

    That is when its first answer begins, provided that all images of its sample stand before it.
    """

    def answer(request: Request, begun: Begun | None) -> Outcome:
        leads = early and begun is not None and _asks_last(request)
        asked = backend.leading(begun) if leads else backend
        return run_once(plan.task.program, request.call, asked, SAMPLING)

    return answer


def _asks_last(request: Request) -> bool:
    """Say whether the program shows all of its sample's images before it asks anything."""
    images = {image.digest for image in request.sample.images}
    return request.prompt is not None and images.issubset(request.prompt.images)


def weights(plan: Plan, tail: Tail) -> "Weights":
    """Return what weighs a plan's groups, by the model's own processor where that is known."""
    folder = plan.model.template.folder
    count = image_tokens(folder) if folder else None
    weighed = Weights(tail, generations=plan.generations)
    return replace(weighed, count=count) if count else weighed


@dataclass
class Weights:
    """How many tokens of the server's cache a group needs of its own: guessed, then learned."""

    tail: Tail
    """Reads a prompt behind its last image."""
    count: Callable[[int, int], float] = lambda width, height: width * height / 784
    """An image's tokens from its size: 28 times 28 pixels each unless the processor is known."""
    scale: float | None = None
    """The most that a leader took before its question, over the guess; None before one is seen."""
    behind: int | None = None
    """The most that a sibling took beyond its question, with its answer; None likewise."""
    generations: int = 1
    """The most requests that one program makes."""
    _heard: bool = False

    def of(self, group: Sequence[Request]) -> float:
        """Return the tokens that a group holds while it is open."""
        questions = sum(self._question(request) + self._answer(request) for request in group)
        return (self.scale or 1.0) * self._images(group[0]) + questions

    def learn(self, request: Request, outcome: Outcome) -> None:
        """Correct both by an answered prompt; what found most of it cached is a sibling.

        The very first one is passed over: it may have computed what all prompts share.
        """
        tokens, cached = (outcome.tokens.get(f"{kind}_tokens") for kind in ("prompt", "cached"))
        first, self._heard = not self._heard, True
        if first or not tokens or outcome.requests != 1:
            return
        own = tokens - (cached or 0) - self._question(request)
        if 2 * (cached or 0) > tokens:
            answer = outcome.tokens.get("completion_tokens") or 0
            self.behind = max(self.behind or 0, own + answer)
        else:
            self.scale = max(self.scale or 0.0, own / self._images(request))

    def _images(self, request: Request) -> float:
        return sum(self.count(*image.size) for image in request.sample.images) or 1.0

    def _answer(self, request: Request) -> int:
        if self.behind is not None:
            return self.behind
        most = request.prompt and request.prompt.answer_tokens
        return min(ANSWER_TOKENS, self.generations * most) if most else ANSWER_TOKENS

    def _question(self, request: Request) -> int:
        """Return the tokens behind the last image, by characters where nobody knows the prompt."""
        if request.prompt is None:
            return len(request.sample.question) // 4
        return len(self.tail(request.prompt))
