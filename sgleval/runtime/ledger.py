"""What one program asked of its server."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TOKENS = ("prompt_tokens", "cached_tokens", "image_tokens", "completion_tokens")


@dataclass
class Ledger:
    """What one program asked of the server, its forks included."""

    requests: int = 0
    tokens: dict[str, int | None] = field(default_factory=dict)
    """Sums by kind; null as soon as one reply does not say."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, meta: Mapping[str, Any], *, images: bool) -> None:
        """Count one reply; forks do so at once."""
        with self._lock:
            self.requests += 1
            for kind in TOKENS:
                said = meta.get(kind)
                if said is None and kind == "image_tokens" and not images:
                    said = 0  # a prompt without pictures has no such tokens
                kept = self.tokens.get(kind, 0)
                self.tokens[kind] = None if said is None or kept is None else kept + int(said)
