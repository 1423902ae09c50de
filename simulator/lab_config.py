"""The configuration that an owner of the lab's service would write. It says where things are, never what is broken."""

from pathlib import Path
from typing import Any

import yaml

from simulator.lab.lab import LabHandle


def lab_config(handle: LabHandle) -> dict[str, Any]:
    """Return the configuration as YAML data."""
    service = {
        "name": handle.service,
        "kind": "language",
        "tier": "silver",
        "deployment": handle.deployment,
        "min_replicas": 2,
        "max_replicas": 4,
        "objectives": [
            {"signal": "error_ratio", "target": 0.02},
            {"signal": "ttft_p95", "target": 1.0},
            {"signal": "latency_p95", "target": 5.0},
        ],
    }
    return {
        "environment": "lab",
        "autonomy": "act",
        "fleet": {"services": [service]},
        "metrics": {"url": handle.prometheus_url, "lookback": "20s"},  # ten looks
        "serving": {"timeout": "2s"},  # a small model answers in a fraction of it
        "cluster": {"kubeconfig": str(handle.controller_kubeconfig), "namespace": handle.namespace},
        "journal": {"url": "sqlite:///prunella.db"},
        "checkpoints": "prunella-checkpoints.db",
        "cadence": {"tick": "5s", "quality": "1m"},
    }


def write_config(handle: LabHandle) -> Path:
    """Write it into the lab's folder, beside which the journal will lie; returns the file."""
    path = handle.run_dir / "prunella.yaml"
    path.write_text(yaml.safe_dump(lab_config(handle), sort_keys=False), encoding="utf-8")
    return path
