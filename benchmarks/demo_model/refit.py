"""Weights of an earlier, differently sized model as a start for the present one."""

import re
from pathlib import Path

import torch
from model import Size
from safetensors.torch import load_file
from torch import Tensor

LAYERS = "model.language_model.layers"
GROWN = {"0": "0", "1": "1", "2": "3", "3": "4"}
"""Where the four layers of the first runs stand among six; a new one changes nothing at first."""


def start_from(source: Path) -> dict[str, Tensor]:
    """Return the averaged weights of a checkpoint, or those of an exported folder.

    A folder has no helper heads, so these begin anew; they are soon learned again.
    """
    if source.is_file():
        return torch.load(source)["average"]
    found = {}
    for name, weight in load_file(source / "model.safetensors").items():
        plain = name.removeprefix("model.")
        tower = plain if plain.startswith("visual.") else f"language_model.{plain}"
        # both frames of a still picture are the same
        whole = weight.float().sum(2).flatten(1) if "patch_embed" in tower else weight.float()
        found[f"model.{tower}"] = whole
    return found


def refitted(found: dict[str, Tensor], size: Size) -> dict[str, Tensor]:
    """Return weights of four layers as those of six, and of each MLP the strongest units."""
    if f"{LAYERS}.4.input_layernorm.weight" not in found:
        found = {
            re.sub(rf"({LAYERS})\.(\d)", lambda name: f"{name[1]}.{GROWN[name[2]]}", name): weight
            for name, weight in found.items()
        }
    for layer in range(size.layers):
        found = found | strongest(found, f"{LAYERS}.{layer}.mlp", size.inner)
    return found


def strongest(found: dict[str, Tensor], mlp: str, units: int) -> dict[str, Tensor]:
    """Keep the units whose weights multiply to most; the file must stay within 16 MB."""
    if f"{mlp}.gate_proj.weight" not in found:
        return {}
    gate, up, down = (found[f"{mlp}.{part}_proj.weight"] for part in ("gate", "up", "down"))
    strength = gate.norm(dim=1) * up.norm(dim=1) * down.norm(dim=0)
    kept = torch.sort(strength.topk(min(units, len(strength))).indices).values
    return {
        f"{mlp}.gate_proj.weight": gate[kept],
        f"{mlp}.up_proj.weight": up[kept],
        f"{mlp}.down_proj.weight": down[:, kept],
    }
