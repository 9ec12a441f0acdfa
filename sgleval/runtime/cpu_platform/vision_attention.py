"""Attention of the vision tower, one image at a time.

Without a GPU SGLang 0.5.23 lays all images of a prefill batch side by side and masks the cross
terms: time and memory grow with the square of the sum, and its three-dimensional mask keeps torch
off the fused kernel (`sglang/srt/layers/attention/vision.py`, `VisionSdpaAttention`). The same
result, within rounding, comes from one unmasked attention per image, as
`benchmarks/vision_attention.py` shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

Forward = Callable[..., torch.Tensor]


def install() -> None:
    """Replace `VisionSdpaAttention.forward`, once.

    The method and not the class: SGLang's table of backends and the layers hold the class already.
    """
    from sglang.srt.layers.attention.vision import VisionSdpaAttention

    if not hasattr(VisionSdpaAttention.forward, "__wrapped__"):
        VisionSdpaAttention.forward = per_image(VisionSdpaAttention.forward)


def per_image(stock: Forward) -> Forward:
    """Return a `VisionSdpaAttention.forward` that leaves to `stock` what it does not know."""

    @wraps(stock)
    def forward(  # noqa: PLR0913, PLR0917 # SGLang's signature
        layer: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        bsz: int,
        cu_seqlens: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **others: Any,
    ) -> torch.Tensor:
        borders = [] if cu_seqlens is None else cu_seqlens.tolist()
        if bsz == 1 and attention_mask is None and applies(layer, q, k, borders):
            return attend(q, k, v, borders, scale=layer.scale)
        return stock(
            layer, q, k, v, bsz, cu_seqlens=cu_seqlens, attention_mask=attention_mask, **others
        )

    return forward


def applies(layer: Any, q: torch.Tensor, k: torch.Tensor, borders: list[int]) -> bool:
    """Whether `attend` computes what `layer` does for images with these borders.

    Not for families that pad their images (`flatten_batch` false), that take the softmax in single
    precision, drop out, or share key heads; not where a patch belongs to no image.
    """
    return (
        layer.flatten_batch
        and not layer.softmax_in_single_precision
        and not layer.dropout
        and q.shape == k.shape
        and borders[:1] == [0]
        and borders[-1] == len(q)
    )


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, borders: list[int], *, scale: float
) -> torch.Tensor:
    """Attend within each image; all tensors are [patches, heads, head size].

    `borders` are the patches where images begin, and the number of patches at the end.
    """
    out = q.new_empty(q.shape)
    for start, end in pairwise(borders):
        if start < end:
            qi, ki, vi = (x[start:end].transpose(0, 1)[None] for x in (q, k, v))
            one = scaled_dot_product_attention(qi, ki, vi, scale=scale)
            out[start:end] = one[0].transpose(0, 1)
    return out
