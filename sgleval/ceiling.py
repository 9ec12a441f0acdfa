"""The ceiling of prefix reuse: what a cache of unlimited size, cold at first, could have saved.

A prompt is the sequence of tokens that the server computes, an image its digest repeated once per
image token. An ideal cache computes each distinct prefix once and of every prompt at least the last
token, so `ceiling = 1 - distinct / Σ prompt tokens`, where `distinct` counts the nodes of the trie
of all prompts plus one for every repeat of an identical one.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from sgleval.prompt_tokens import PromptTokens, prompt_tokens

Key = TypeVar("Key")
Value = TypeVar("Value")
KEPT = 4096  # prefixes, far more than are ever open at once


@dataclass
class _Trie:
    """The nodes behind one sequence of images, as hashes of the paths to them."""

    nodes: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Prefix:
    """Where a prompt is behind its last image."""

    trie: _Trie
    path: int
    tokens: int
    """Of the text, placeholders not counted."""
    images: int
    """How many placeholders there were."""


@dataclass
class Ceiling:
    """Counts prompts as they are answered.

    One trie holds the nodes before the first image, which all prompts may share; each sequence of
    images has its own for what follows the last of them. The latest ones are kept: requests for the
    same images are sent close together.
    """

    reader: PromptTokens
    distinct: int = 0
    prompt_tokens: int = 0
    known: bool = True
    """False as soon as the server counted other tokens than our tokenizer: nothing is invented."""
    _before: _Trie = field(default_factory=_Trie)
    _behind: OrderedDict[tuple[str, ...], _Trie] = field(default_factory=OrderedDict)
    _prefixes: OrderedDict[tuple[str, tuple[str, ...]], _Prefix] = field(
        default_factory=OrderedDict
    )

    @classmethod
    def of(cls, folder: Path, placeholder: str) -> Self | None:
        """Return a ceiling for a tokenizer's folder, or None where its tokens cannot be known.

        `placeholder` is the template's text for an image, one token of which stands for it.
        """
        reader = prompt_tokens(folder, placeholder)
        return cls(reader) if reader else None

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
        head, tail = self.reader.cut(text)
        prefix = self._prefix(head, tuple(images), image_tokens)
        length = prefix.tokens + image_tokens + len(tail)
        self.known &= prefix.images == len(images) and prompt_tokens in {None, length}
        self.prompt_tokens += length
        path = self._follow(prefix.trie, prefix.path, tail)
        end = hash((path, "end"))
        self.distinct += end in prefix.trie.nodes  # a repeated prompt's last token, computed again
        prefix.trie.nodes.add(end)

    def _prefix(self, head: str, images: tuple[str, ...], image_tokens: int) -> _Prefix:
        """Count what has not been counted of a prompt up to its last image."""
        key = head, images
        if key not in self._prefixes:
            self._prefixes[key] = self._read(head, images, image_tokens)
        _keep_latest(self._prefixes, key)
        return self._prefixes[key]

    def _read(self, head: str, images: tuple[str, ...], image_tokens: int) -> _Prefix:
        trie, path, seen, count = self._before, 0, 0, 0
        share, rest = divmod(image_tokens, len(images) or 1)
        for token in self.reader.of_prefix(head):
            if token != self.reader.placeholder:
                path, count = self._follow(trie, path, (token,)), count + 1
                continue
            seen += 1
            trie = self._behind.setdefault(images[:seen], _Trie())
            _keep_latest(self._behind, images[:seen])
            path = hash((path, images[:seen]))
            if path not in trie.nodes:
                trie.nodes.add(path)
                self.distinct += share + (rest if seen == len(images) else 0)
        return _Prefix(trie, path, count, seen)

    def _follow(self, trie: _Trie, path: int, tokens: Iterable[int]) -> int:
        """Go on in a trie, counting the nodes that are new; return where that ends."""
        nodes = trie.nodes
        for token in tokens:
            path = hash((path, token))
            if path not in nodes:
                nodes.add(path)
                self.distinct += 1
        return path

    @property
    def value(self) -> float | None:
        """The highest share of prompt tokens that a cache could have had."""
        if not self.known or not self.prompt_tokens:
            return None
        return 1.0 - self.distinct / self.prompt_tokens


def _keep_latest(kept: OrderedDict[Key, Value], key: Key) -> None:
    """Move a key to the end; drop the one at the beginning where there are too many."""
    kept.move_to_end(key)
    if len(kept) > KEPT:
        kept.popitem(last=False)
