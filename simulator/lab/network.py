"""A small language model in PyTorch: embedding, two GRU layers, a head. Real weights, real work, no cleverness.

A GRU keeps its context in a state of fixed size, so sequences of different lengths batch without padding.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

CONFIG = {"vocabulary": 512, "width": 192, "layers": 2}


class TinyModel(nn.Module):
    """Next-token model; `forward` takes ids of shape (batch, time) and a state of (layers, batch, width)."""

    def __init__(self, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary, width)
        self.context = nn.GRU(width, width, layers, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids: torch.Tensor, state: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the next token, shape (batch, vocabulary), and the new state."""
        hidden, after = self.context(self.embedding(ids), state)
        logits: torch.Tensor = self.head(hidden[:, -1])
        return logits, after


def build(config: dict[str, int], seed: int = 0) -> TinyModel:
    """A model with fresh weights that depend on the seed alone."""
    torch.manual_seed(seed)
    return TinyModel(config["vocabulary"], config["width"], config["layers"])


def save(model: TinyModel, folder: Path, config: dict[str, int]) -> None:
    """Write `config.json` and `weights.pt` of a release."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    # Renamed when whole: nobody sees half a file.
    torch.save(model.state_dict(), folder / "weights.new")
    (folder / "weights.new").replace(folder / "weights.pt")


def load(folder: Path) -> TinyModel:
    """Read a release; loads whatever numbers the file holds, as real servers do."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    model = build(config)
    model.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    return model.eval()
