"""A model's tokenizer, as far as prompts with images need it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

KEPT = 4096  # texts behind an image whose tokens are kept: many images are asked the same


@dataclass(frozen=True)
class PromptTokens:
    """Cuts a prompt behind its last image and gives the tokens of both parts."""

    tokenizer: Tokenizer
    placeholder: int
    """The id of the token that stands for an image in the text."""
    _of_tail: Callable[[str], tuple[int, ...]] = field(init=False)
    _splits: bool = field(init=False)
    """Whether a text behind an image has the same tokens as it has alone."""

    def __post_init__(self) -> None:
        def tail(text: str) -> tuple[int, ...]:
            return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

        object.__setattr__(self, "_of_tail", lru_cache(KEPT)(tail))
        before, behind = f"See {self.mark}", "What is it?\n"
        whole = self.of_prefix(before) + self._of_tail(behind)
        object.__setattr__(self, "_splits", whole == self.of_prefix(before + behind))

    @property
    def mark(self) -> str:
        """The text of the token that stands for an image."""
        return self.tokenizer.id_to_token(self.placeholder) or ""

    def cut(self, text: str) -> tuple[str, tuple[int, ...]]:
        """Return the text up to and including the last image, and the tokens behind it.

        It is the whole text and no tokens where there is no image, or where it cannot be cut.
        """
        before, mark, behind = text.rpartition(self.mark)
        if not mark or not self._splits:
            return text, ()
        return before + mark, self._of_tail(behind)

    def of_prefix(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a prompt's beginning."""
        return tuple(self.tokenizer.encode(text).ids)


@lru_cache(maxsize=2)
def prompt_tokens(folder: Path, placeholder: str) -> PromptTokens | None:
    """Return what reads the tokens of the model in a folder, or None where they cannot be known.

    `placeholder` is the template's text for an image, one token of which stands for it.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    tokenizer = Tokenizer.from_file(str(path))
    tokens = tokenizer.encode(placeholder, add_special_tokens=False)
    named = zip(tokens.ids, tokens.tokens, strict=True)
    pads = [token for token, text in named if "image" in text.lower()]
    return PromptTokens(tokenizer, pads[0]) if len(pads) == 1 else None
