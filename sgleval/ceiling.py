"""The ceiling of prefix reuse: what a cache of unlimited size, cold at first, could have saved.

A prompt is the sequence of tokens that the server computes, an image its digest repeated once per
image token. An ideal cache computes each distinct prefix once and of every prompt at least the last
token, so `ceiling = 1 - distinct / Σ prompt tokens`, where `distinct` counts the nodes of the trie
of all prompts plus one for every repeat of an identical one.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Self

from tokenizers import Tokenizer

KEPT = 4096  # sets of images, far more than are ever open at once


@lru_cache(maxsize=2)
def tokenizer_in(folder: Path) -> Tokenizer | None:
    """Return a model folder's tokenizer, or None where it has no quick one."""
    path = folder / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.is_file() else None


@dataclass
class Ceiling:
    """Counts prompts as they are answered.

    Nodes are kept as hashes of their paths. One set holds those before the first image, which all
    prompts may share; each sequence of images has its own for what follows the last of them. The
    latest of these are kept: requests for the same images are sent close together.
    """

    tokenizer: Tokenizer
    placeholder: int
    """The id of the token that stands for an image in the text."""
    distinct: int = 0
    prompt_tokens: int = 0
    known: bool = True
    """False as soon as the server counted other tokens than our tokenizer: nothing is invented."""
    _before: set[int] = field(default_factory=set)
    _behind: OrderedDict[tuple[str, ...], set[int]] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, folder: Path, placeholder: str) -> Self | None:
        """Return a ceiling for a tokenizer's folder, or None where its tokens cannot be known.

        `placeholder` is the template's text for an image, one token of which stands for it.
        """
        tokenizer = tokenizer_in(folder)
        if tokenizer is None:
            return None
        tokens = tokenizer.encode(placeholder, add_special_tokens=False)
        named = zip(tokens.ids, tokens.tokens, strict=True)
        pads = [token for token, text in named if "image" in text.lower()]
        return cls(tokenizer, pads[0]) if len(pads) == 1 else None

    def add(
        self,
        text: str,
        images: Sequence[str],
        *,
        image_tokens: int,
        prompt_tokens: int | None = None,
    ) -> None:
        """Count one prompt: its text with placeholders, its images' digests in order.

        `prompt_tokens` is what the server counted, None before it was asked.
        """
        ids = self.tokenizer.encode(text).ids
        length = len(ids) - len(images) + image_tokens
        self.known &= ids.count(self.placeholder) == len(images)
        self.known &= prompt_tokens in {None, length}
        if not self.known:
            return
        self.prompt_tokens += length
        share, rest = divmod(image_tokens, len(images) or 1)
        nodes, path, seen = self._before, 0, 0
        for token in ids:
            weight = 1
            if token == self.placeholder:
                seen += 1
                nodes = self._tries_of(tuple(images[:seen]))
                weight = share + (rest if seen == len(images) else 0)
                path = hash((path, images[seen - 1]))
            else:
                path = hash((path, token))
            if path not in nodes:
                nodes.add(path)
                self.distinct += weight
        end = hash((path, "end"))
        self.distinct += end in nodes  # the last token of a repeated prompt is computed again
        nodes.add(end)

    def _tries_of(self, images: tuple[str, ...]) -> set[int]:
        nodes = self._behind.setdefault(images, set())
        self._behind.move_to_end(images)
        if len(self._behind) > KEPT:
            self._behind.popitem(last=False)
        return nodes

    @property
    def value(self) -> float | None:
        """The highest share of prompt tokens that a cache could have had."""
        if not self.known or not self.prompt_tokens:
            return None
        return 1.0 - self.distinct / self.prompt_tokens
