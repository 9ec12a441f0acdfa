"""Qwen2-VL as one compact forward pass for pictures of one size and questions that share them.

Names and shapes of the weights are those of transformers' `Qwen2VLForConditionalGeneration`, but
for the patch embedding: a frame is seen twice by its 3-D convolution, so here one linear layer
over a flattened patch stands for the sum of the two halves.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH, MERGE = 14, 2
CELL = PATCH * MERGE
"""Pixels of a visual token."""

START = 4
"""Tokens before the picture where nothing but the user's turn is opened."""

NAMED, GUIDED = 1, 3
"""The layers whose first head is shown, while training, where to look: for what a question names,
and for what is printed next."""


@dataclass(frozen=True)
class Size:
    """How large the model is."""

    vocabulary: int = 512
    vision_width: int = 192
    vision_layers: int = 4
    vision_heads: int = 4
    width: int = 256
    layers: int = 6
    heads: int = 4
    inner: int = 736
    theta: float = 10000.0
    sections: tuple[int, int, int] = (8, 12, 12)

    def as_dict(self) -> dict[str, object]:
        """For a checkpoint."""
        return asdict(self)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn [..., heads, tokens, head size] by the angles [..., 1, tokens, head size]."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cos + turned * sin


def scores_of(q: Tensor, k: Tensor) -> Tensor:
    """Plain products: torch's fused attention for CPUs is half as fast backwards."""
    return torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))


def astray(scores: Tensor, guide: Tensor) -> Tensor:
    """Return how unlikely the first head looks where `guide` [batch, tokens] points (-1: free)."""
    first = scores[:, 0].float()
    there = first.gather(-1, guide.clamp(min=0)[..., None])[..., 0] - first.logsumexp(-1)
    pointed = (guide >= 0).float()
    return -(there * pointed).sum() / pointed.sum().clamp(min=1)


def vision_angles(rows: int, columns: int, head: int) -> tuple[Tensor, Tensor]:
    """Return cos and sin [patches, head size], patches in the order of the merged cells."""
    h, w = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    places = torch.stack((in_cells(h), in_cells(w)), -1).reshape(-1, 2).float()
    inverse = 1.0 / 10000.0 ** (torch.arange(0, head // 2, 2) / (head // 2))
    angles = (places[:, :, None] * inverse).flatten(1)
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def in_cells(grid: Tensor) -> Tensor:
    """Order [rows, columns, ...] as Qwen2-VL does: cell by cell, two by two patches in each."""
    rows, columns, *rest = grid.shape
    parted = grid.reshape(rows // MERGE, MERGE, columns // MERGE, MERGE, *rest)
    return parted.transpose(1, 2).reshape(rows * columns, *rest)


def text_angles(positions: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Return cos and sin [batch, 1, tokens, head size] for positions [3, batch, tokens]."""
    head = size.width // size.heads
    inverse = 1.0 / size.theta ** (torch.arange(0, head, 2) / head)
    angles = positions[..., None].float() * inverse
    parts = angles.split(size.sections, dim=-1)
    angles = torch.cat([part[axis] for axis, part in enumerate(parts)], -1)
    angles = torch.cat((angles, angles), -1)[:, None]
    return angles.cos(), angles.sin()


class VisionBlock(nn.Module):
    """Attention among all patches of a picture, and an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict(
            {"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)}
        )
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map [pictures, patches, width] to the same shape."""
        batch, tokens, width = x.shape
        qkv = self.attn["qkv"](self.norm1(x)).view(batch, tokens, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = scores_of(rotate(q, cos, sin), rotate(k, cos, sin))
        out = torch.matmul(scores.softmax(-1), v)
        x = x + self.attn["proj"](out.transpose(1, 2).reshape(batch, tokens, width))
        h = self.mlp["fc1"](self.norm2(x))
        return x + self.mlp["fc2"](h * torch.sigmoid(1.702 * h))


class Visual(nn.Module):
    """From patches to cells as wide as the language model."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width, merged = size.vision_width, size.vision_width * MERGE**2
        self.head = width // size.vision_heads
        self.patch_embed = nn.ModuleDict({"proj": nn.Linear(3 * PATCH**2, width, bias=False)})
        self.blocks = nn.ModuleList(
            VisionBlock(width, size.vision_heads) for _ in range(size.vision_layers)
        )
        self.merger = nn.ModuleDict(
            {
                "ln_q": nn.LayerNorm(width, eps=1e-6),
                "mlp": nn.Sequential(
                    nn.Linear(merged, merged), nn.GELU(), nn.Linear(merged, size.width)
                ),
            }
        )

    def forward(self, patches: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        """Turn patches [batch, patches, 588] into cells [batch, cells, width]."""
        x = self.patch_embed["proj"](patches)
        for block in self.blocks:
            x = block(x, *angles)
        x = self.merger["ln_q"](x)
        return self.merger["mlp"](x.reshape(x.shape[0], -1, MERGE**2 * x.shape[-1]))


class Norm(nn.Module):
    """RMS norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the last dimension."""
        return functional.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), 1e-6)


class Layer(nn.Module):
    """One decoder layer."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads, width = size.heads, size.width
        self.self_attn = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("q_proj", "k_proj", "v_proj")}
            | {"o_proj": nn.Linear(width, width, bias=False)}
        )
        self.mlp = nn.ModuleDict(
            {
                "gate_proj": nn.Linear(width, size.inner, bias=False),
                "up_proj": nn.Linear(width, size.inner, bias=False),
                "down_proj": nn.Linear(size.inner, width, bias=False),
            }
        )
        self.input_layernorm, self.post_attention_layernorm = Norm(width), Norm(width)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, guide: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map [pictures, S, width] to the same shape, and the loss of a guided head.

        `mask` is added to the scores.
        """
        batch, tokens, width = x.shape
        h = self.input_layernorm(x)
        q, k, v = (
            self.self_attn[name](h).view(batch, tokens, self.heads, -1).transpose(1, 2)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        scores = scores_of(rotate(q, cos, sin), rotate(k, cos, sin)) + mask
        out = torch.matmul(scores.softmax(-1), v)
        x = x + self.self_attn["o_proj"](out.transpose(1, 2).reshape(batch, tokens, width))
        h = self.post_attention_layernorm(x)
        up = functional.silu(self.mlp["gate_proj"](h)) * self.mlp["up_proj"](h)
        loss = torch.zeros(()) if guide is None else astray(scores, guide)
        return x + self.mlp["down_proj"](up), loss


class Language(nn.Module):
    """Embedding, layers and last norm."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(size.vocabulary, size.width)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.layers))
        self.norm = Norm(size.width)


class DemoModel(nn.Module):
    """Vision tower and language model; the output embedding is the input embedding."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.visual, self.language_model = Visual(size), Language(size)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02 if "embed" in name else weight.shape[1] ** -0.5)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
        for name, weight in self.named_parameters():
            if name.endswith(
                ("o_proj.weight", "down_proj.weight", "attn.proj.weight", "fc2.weight")
            ):
                nn.init.zeros_(weight)

    def see(self, patches: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        """Return the cells [batch, cells, width] of flattened patches [batch, patches, 588]."""
        return self.visual(patches, angles)

    def read(
        self,
        cells: Tensor,
        tokens: Tensor,
        start: int,
        angles: tuple[Tensor, Tensor],
        mask: Tensor,
        guides: dict[int, Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor], dict[int, Tensor]]:
        """Return the last hidden states [batch, S, width], those of each layer, guided losses.

        The cells stand from `start` on; `guides` is by layer.
        """
        x = self.language_model.embed_tokens(tokens)
        x = torch.cat((x[:, :start], cells.to(x.dtype), x[:, start + cells.shape[1] :]), 1)
        x = x.to(torch.bfloat16) if torch.is_autocast_enabled("cpu") else x
        between, astray_by, guides = [], {}, guides or {}
        for number, layer in enumerate(self.language_model.layers):
            x, astray_by[number] = layer(x, *angles, mask, guides.get(number))
            between.append(x)
        return self.language_model.norm(x), between, astray_by

    def logits(self, hidden: Tensor) -> Tensor:
        """Score the vocabulary."""
        return functional.linear(hidden, self.language_model.embed_tokens.weight)
