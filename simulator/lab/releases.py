"""The model releases that the lab's imaginary team publishes: folders of weights, and one export that went wrong."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from simulator.lab import network


def publish_sound(models: Path, revision: str) -> Path:
    """Write a sound release; returns its folder."""
    folder = models / revision
    network.save(network.build(network.CONFIG, seed=int(revision.lstrip("r"))), folder, network.CONFIG)
    return folder


def publish_badly_exported(models: Path, revision: str) -> Path:
    """Write a release whose head went through half precision with a wrong scale and overflowed; returns its folder.

    The file is whole and loads without complaint: large values became infinities, and taking the scale back made NaNs.
    """
    model = network.build(network.CONFIG, seed=int(revision.lstrip("r")))
    scale = 65504.0 * 64
    with torch.no_grad():
        halved = (model.head.weight * scale).half()
        model.head.weight.copy_(halved.float() - halved.float().mean() + model.head.weight)
    folder = models / revision
    network.save(model, folder, network.CONFIG)
    return folder


def main() -> int:
    """`python -m simulator.lab.releases sound|overflowed MODELS REVISION`; apart, as PyTorch is slow to import."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", choices=("sound", "overflowed"))
    parser.add_argument("models", type=Path)
    parser.add_argument("revision")
    options = parser.parse_args()
    publish = publish_sound if options.export == "sound" else publish_badly_exported
    publish(options.models, options.revision)
    return 0


if __name__ == "__main__":
    sys.exit(main())
