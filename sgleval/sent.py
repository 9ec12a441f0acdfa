"""What a command asked of the model, what that cost, and how quickly it came."""

import time
from dataclasses import dataclass, field
from typing import Any

from sgleval.ceiling import Ceiling
from sgleval.plan import Request
from sgleval.runtime.ledger import TOKENS
from sgleval.runtime.run_batch import Outcome
from sgleval.runtime.traffic import Traffic


@dataclass
class Sent:
    """What this command asked of the model, as the summary reports it."""

    ceiling: Ceiling | None = None
    traffic: Traffic | None = None
    """The requests in flight, where the backend speaks to a server."""
    requests: int = 0
    tokens: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(TOKENS, 0))
    """Sums by kind; None as soon as one answer does not say."""
    began: float | None = None
    """When the first program started, on the monotonic clock, as the others here."""
    first: float | None = None
    last: float = 0.0
    cache_check: dict[str, Any] | None = None
    until: dict[str, Any] | None = None

    def add(self, request: Request, outcome: Outcome) -> None:
        """Count one program's requests, just after it ended."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.began = min(self.began or self.last, self.last - outcome.seconds)
        self.requests += outcome.requests or 0
        if outcome.error is not None:
            return
        for kind in TOKENS:
            said, kept = outcome.tokens.get(kind), self.tokens[kind]
            self.tokens[kind] = None if said is None or kept is None else kept + said
        if self.ceiling:
            self._raise(self.ceiling, request, outcome)

    def _raise(self, ceiling: Ceiling, request: Request, outcome: Outcome) -> None:
        prompt = request.prompt
        ceiling.known &= prompt is not None
        if prompt is not None:
            ceiling.add(
                *(prompt.text, prompt.images),
                image_tokens=outcome.tokens.get("image_tokens") or 0,
                prompt_tokens=outcome.tokens.get("prompt_tokens") or 0,
            )

    @property
    def reuse(self) -> float | None:
        """The share of prompt tokens that the server had in its cache; None if it does not say."""
        prompt, cached = self.tokens["prompt_tokens"], self.tokens["cached_tokens"]
        return cached / prompt if prompt and cached is not None else None

    def summary(self, began: float) -> dict[str, Any]:
        """Return this command's part of the summary; it began at `began`."""
        ceiling = self.ceiling.value if self.ceiling else None
        reuse = None if self.reuse is None else {"measured": self.reuse, "ceiling": ceiling}
        return {
            "cost": {"sent": self.requests, "seconds": time.monotonic() - began},
            "reuse": reuse,
            "speed": self.speed(began),
            "cache_check": self.cache_check,
            "until": self.until,
        }

    def speed(self, command_began: float) -> dict[str, float | None] | None:
        """Return how quickly the answers came, None where nothing was sent.

        Rates are over `request_seconds`, from the first program's start to the last one's end;
        `computed` are prompt tokens that the cache had not. `first_result_seconds` counts from the
        command's start, `first_answer_seconds` from the first program's. `server_idle_share` is the
        part of the time from the first request to the last answer in which no request of ours was
        in flight (what a server does meanwhile for others, nobody knows), `in_flight` their mean
        number. What the backend does not say is None.
        """
        if self.first is None or self.began is None:
            return None
        seconds = max(self.last - self.began, 1e-9)
        prompt, cached, written = (
            self.tokens[kind] for kind in ("prompt_tokens", "cached_tokens", "completion_tokens")
        )
        computed = None if prompt is None or cached is None else prompt - cached
        rates = {"prompt": prompt, "computed": computed, "completion": written}
        return {
            "requests_per_second": self.requests / seconds,
            **{
                f"{kind}_tokens_per_second": None if count is None else count / seconds
                for kind, count in rates.items()
            },
            "request_seconds": seconds,
            "first_result_seconds": self.first - command_began,
            "first_answer_seconds": self.first - self.began,
            "server_idle_share": self.traffic.idle_share if self.traffic else None,
            "in_flight": self.traffic.in_flight if self.traffic else None,
        }
