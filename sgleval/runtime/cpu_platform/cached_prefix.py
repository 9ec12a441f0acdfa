"""Attention over tokens that are in the cache, for the rows that are new.

What SGLang 0.5.23 does about it without a GPU
(`sglang/srt/layers/attention/torch_native_backend.py`) is right and slow:

- For a prompt it pads the queries to the whole prompt, computes attention for all of it and drops
  what belongs to the cached part. So a cached token saves its matrix products but no attention.
- It reads keys and values by `cache[tokens]`, for a prompt and again for each token that it writes;
  on a CPU `index_select` takes a third of the time, or a sixth where the tokens lie apart.
- torch's kernel makes a product for each head and few rows. Without AMX it takes half as long again
  as products of all heads that share a key head do, for a page of 300 tokens.

The same result, within rounding, comes from the new rows alone, as `benchmarks/cached_prefix.py`
shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention

Forward = Callable[..., torch.Tensor]
HAS_TILES = bool(torch.cpu.get_capabilities().get("amx_tile"))
"""Whether the processor multiplies tiles of bfloat16 (AMX), as torch's kernel makes it do."""
BLOCK_BYTES = 1 << 21  # of scores, which stay in the second-level caches of two cores
FEWEST_ROWS = 16


def install() -> None:
    """Replace the two methods of `TorchNativeAttnBackend` that compute, once."""
    from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend as Backend

    if not hasattr(Backend._run_sdpa_forward_extend, "__wrapped__"):
        Backend._run_sdpa_forward_extend = new_rows(Backend._run_sdpa_forward_extend)
    if not hasattr(Backend._run_sdpa_forward_decode, "__wrapped__"):
        Backend._run_sdpa_forward_decode = next_row(Backend._run_sdpa_forward_decode)


def new_rows(stock: Forward) -> Forward:
    """Return a `_run_sdpa_forward_extend` that leaves to `stock` what it does not know."""

    @wraps(stock)
    def extend(  # noqa: PLR0913, PLR0917 # SGLang's signature
        backend: Any,
        query: torch.Tensor,
        output: torch.Tensor,
        k_cache: torch.Tensor,
        v_cache: torch.Tensor,
        req_to_token: torch.Tensor,
        req_pool_indices: torch.Tensor,
        seq_lens: torch.Tensor,
        extend_prefix_lens: torch.Tensor,
        extend_seq_lens: torch.Tensor,
        encoder_lens: torch.Tensor | None = None,
        **options: Any,
    ) -> torch.Tensor:
        if not options.get("causal") or not plain(encoder_lens, **options):
            return stock(
                *(backend, query, output, k_cache, v_cache, req_to_token, req_pool_indices),
                *(seq_lens, extend_prefix_lens, extend_seq_lens, encoder_lens),
                **options,
            )
        tokens = tokens_of(req_to_token, req_pool_indices, seq_lens)
        return attend_all(
            query, output, (k_cache, v_cache), tokens, extend_seq_lens.tolist(), options
        )

    return extend


def next_row(stock: Forward) -> Forward:
    """Return a `_run_sdpa_forward_decode` that leaves to `stock` what it does not know."""

    @wraps(stock)
    def decode(  # noqa: PLR0913, PLR0917 # SGLang's signature
        backend: Any,
        query: torch.Tensor,
        output: torch.Tensor,
        k_cache: torch.Tensor,
        v_cache: torch.Tensor,
        req_to_token: torch.Tensor,
        req_pool_indices: torch.Tensor,
        seq_lens: torch.Tensor,
        encoder_lens: torch.Tensor | None = None,
        **options: Any,
    ) -> torch.Tensor:
        if options.get("causal") or not plain(encoder_lens, **options):
            return stock(
                *(backend, query, output, k_cache, v_cache, req_to_token, req_pool_indices),
                *(seq_lens, encoder_lens),
                **options,
            )
        tokens = tokens_of(req_to_token, req_pool_indices, seq_lens)
        return attend_all(query, output, (k_cache, v_cache), tokens, [1] * len(tokens), options)

    return decode


def plain(
    encoder_lens: torch.Tensor | None,
    *,
    is_cross_attn: bool = False,
    sliding_window_size: int | None = None,
    **_others: Any,
) -> bool:
    """Whether a token looks at all before it and at nothing else, as in most decoders."""
    window = sliding_window_size is not None and sliding_window_size > -1
    return encoder_lens is None and not is_cross_attn and not window


def tokens_of(
    table: torch.Tensor, requests: torch.Tensor, lengths: torch.Tensor
) -> list[torch.Tensor]:
    """Return for each request where its tokens lie in the cache, in their order."""
    return [
        table[request, :length]
        for request, length in zip(requests.tolist(), lengths.tolist(), strict=True)
    ]


def attend_all(
    query: torch.Tensor,
    output: torch.Tensor,
    caches: tuple[torch.Tensor, torch.Tensor],
    tokens: Sequence[torch.Tensor],
    new: Sequence[int],
    options: dict[str, Any],
) -> torch.Tensor:
    """Fill and return `output`, [new tokens, heads, head size], one request after the other.

    `caches` hold keys and values, [slots, key heads, head size]; `tokens` are each request's slots
    and `new` says how many of its last ones are in `query`.
    """
    start = 0
    for slots, rows in zip(tokens, new, strict=True):
        q = query[start : start + rows]
        k, v = (cache.index_select(0, slots).to(q.dtype) for cache in caches)
        output[start : start + rows] = attend(
            q, k, v, scale=options.get("scaling"), grouped=options.get("enable_gqa", False)
        )
        start += rows
    return output


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, scale: float | None, grouped: bool
) -> torch.Tensor:
    """Return the causal attention of the last rows of one prompt, [new tokens, heads, head size].

    `q` is [new tokens, heads, head size]; `k` and `v` are [tokens, key heads, head size] of the
    whole prompt. With `grouped` heads several heads share a key head.
    """
    new, length = len(q), len(k)
    cached = length - new
    k, v = (x.transpose(0, 1)[None] for x in (k, v))
    if new == 1 and grouped:
        # The heads that share a key head become its rows, since all look at the same tokens: as
        # heads of one row each they take torch's kernel six times as long.
        heads = q.reshape(1, k.shape[1], -1, q.shape[2])
        return scaled_dot_product_attention(heads, k, v, scale=scale).reshape(q.shape)
    if grouped and not HAS_TILES:
        return in_blocks(q, k[0], v[0], q.shape[2] ** -0.5 if scale is None else scale)
    q = q.transpose(0, 1)[None]
    if new > cached:
        # torch has a kernel for causal squares that skips the upper half, so a whole square costs
        # less than its lower rows alone where these are more than half of it.
        q = pad(q, (0, 0, cached, 0))
        out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=grouped)
        return out[0, :, cached:].transpose(0, 1)
    mask = None
    if new > 1:
        mask = torch.ones(new, length, dtype=torch.bool, device=q.device).tril(cached)
    out = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=grouped)
    return out[0].transpose(0, 1)


def in_blocks(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    """Return the same for grouped heads in single precision, so many rows at once as fit a cache.

    `k` and `v` are [key heads, tokens, head size] here. torch's kernel makes small products for
    each head; as rows of their key head all heads of a block are in one, and what lies behind its
    last row is left out.
    """
    new, heads, _ = q.shape
    length, cached = k.shape[1], k.shape[1] - len(q)
    k, v = k.float(), v.float()
    rows = q.unflatten(1, (len(k), -1)).permute(1, 2, 0, 3).float() * scale
    out = torch.empty_like(q).unflatten(1, (len(k), -1))
    most = max(FEWEST_ROWS, BLOCK_BYTES // (4 * heads * length))
    later = torch.ones(most, most, dtype=torch.bool).triu(1)
    for start in range(0, new, most):
        block = rows[:, :, start : start + most]
        n = block.shape[2]
        seen = cached + start + n
        scores = (block.flatten(1, 2) @ k[:, :seen].transpose(1, 2)).unflatten(1, (-1, n))
        scores[..., -n:].masked_fill_(later[:n, :n], -torch.inf)
        weights = scores.softmax(-1).flatten(1, 2)
        out[start : start + n] = (weights @ v[:, :seen]).unflatten(1, (-1, n)).permute(2, 0, 1, 3)
    return out.flatten(1, 2)
