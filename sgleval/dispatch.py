"""How requests reach the server: which of a group goes first, and how many groups are open."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sgleval.outlook import image_tokens
from sgleval.plan import Plan, Request
from sgleval.prompt_tokens import prompt_tokens
from sgleval.runtime.leaders import Place, places
from sgleval.runtime.model import pool_tokens
from sgleval.runtime.record import Prompt, first_prompt
from sgleval.runtime.run_batch import Outcome
from sgleval.runtime.sglang import SglangBackend
from sgleval.runtime.window import WORTH_AN_EMPTY_SLOT, leader_first

ROOM = 0.8  # of the cache for open groups; the rest is for what is being written
SIBLING_TOKENS = 64  # a question and its answer behind the shared prefix, before one is seen


def room(backend: Any) -> float:
    """Return the tokens of the server's cache that open groups may take together."""
    return ROOM * (pool_tokens(backend) or math.inf)


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


def arranger(backend: Any, plan: Plan) -> Callable[[Sequence[Request]], Sequence[Place]]:
    """Return what says which request of a group waits for which one.

    Where prompts part after the last image is read in the model's tokens, or else in words.
    """
    template = plan.model.template
    if not isinstance(backend, SglangBackend):  # a user's own model has no cache of prefixes
        return leader_first
    reader = prompt_tokens(template.folder, template.image) if template.folder else None

    def tail(prompt: Prompt) -> Sequence[int] | Sequence[str]:
        if not reader:
            return re.findall(r"\s?\w+|\W", prompt.text.rpartition(template.image)[2])
        return reader.cut(prompt.text)[1] if prompt.images else reader.of_prefix(prompt.text)

    def arrange(group: Sequence[Request]) -> Sequence[Place]:
        prompts = [request.prompt for request in group if request.prompt is not None]
        if len(prompts) < len(group) or len(group) == 1:
            return leader_first(group)
        tails = [tail(prompt) for prompt in prompts]
        return places(tails, shared=WORTH_AN_EMPTY_SLOT if prompts[0].images else 0)

    return arrange


def weights(plan: Plan) -> "Weights":
    """Return what weighs a plan's groups, by the model's own processor where that is known."""
    folder = plan.model.template.folder
    count = image_tokens(folder) if folder else None
    return Weights(count) if count else Weights()


@dataclass
class Weights:
    """How many tokens of the server's cache a group needs: guessed from pixels, then learned."""

    count: Callable[[int, int], float] = lambda width, height: width * height / 784
    """An image's tokens from its size: 28 times 28 pixels each unless the processor is known."""
    scale: float | None = None
    """The most that an answered prompt had over the guess; None before the first one."""
    sibling: int | None = None
    """The most tokens that one took behind what was cached, its answer's too; None likewise."""

    def of(self, group: Sequence[Request]) -> float:
        """Return the tokens that a group holds while it is open."""
        return (self.scale or 1.0) * self._guess(group[0]) + len(group) * (
            self.sibling or SIBLING_TOKENS
        )

    def learn(self, request: Request, outcome: Outcome) -> None:
        """Correct both by an answered prompt; what found most of it cached is a sibling."""
        tokens, cached = (outcome.tokens.get(f"{kind}_tokens") for kind in ("prompt", "cached"))
        if not tokens or outcome.requests != 1:
            return
        self.scale = max(self.scale or 0.0, tokens / self._guess(request))
        if cached and 2 * cached > tokens:
            behind = tokens - cached + (outcome.tokens.get("completion_tokens") or 0)
            self.sibling = max(self.sibling or 0, behind)

    def _guess(self, request: Request) -> float:
        """Return a prompt's tokens, at four characters each of the question."""
        images = sum(self.count(*image.size) for image in request.sample.images)
        return images + len(request.sample.question) / 4 + 1
