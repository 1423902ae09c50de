"""Settings of the servers that Prunella talks to: metrics, cluster, model servers, registry, language model."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator

from config.duration import Duration
from config.frozen import Frozen

Label = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


def _http(text: str) -> str:
    if not re.match(r"^https?://[^\s/]+\S*$", text):
        raise ValueError(f"{text[:60]!r} is no http(s) address")
    return text.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http)]


class MetricsSettings(Frozen):
    """Where signals are read: a Prometheus, or anything that speaks its query API."""

    url: HttpUrl = Field(description="base URL of the Prometheus API; no default: nothing is guarded unseen")
    service_label: Label = Field(
        default="service",
        description="label that holds a service's name on every series; your relabelling rules put it there",
    )
    replica_label: Label = Field(default="pod", description="label that tells the replicas of a service apart")
    node_label: Label = Field(default="node", description="label that names a node on node series")
    gpu_label: Label = Field(default="gpu", description="label that numbers the GPUs of a node (dcgm-exporter's name)")
    gpu_node_label: Label = Field(
        default="Hostname", description="label that names the node on GPU series (dcgm-exporter's name)"
    )
    vendor_label: Label = Field(default="vendor", description="label that names the provider on gateway series")
    selector: dict[Label, Annotated[str, Field(min_length=1)]] | None = Field(
        default=None,
        description="further label = value matchers on every query, for a Prometheus that many teams share; "
        "left out: none are needed beside the service label; an empty one is an error, never everything",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10), gt=timedelta(0), description="seconds for one query; a late answer is NO DATA"
    )
    lookback: Duration = Field(
        default=timedelta(minutes=2),
        gt=timedelta(0),
        description="how far back a reading may reach: an older one is NO DATA, and rates take no longer window; "
        "at least four scrape intervals",
    )
    ca_file: Path | None = Field(default=None, description="PEM file that signs the server; left out: the system's")
    token: SecretStr | None = Field(
        default=None, description="bearer token; left out: none is sent. Better PRUNELLA_METRICS__TOKEN than this file"
    )

    @field_validator("selector")
    @classmethod
    def _selects(cls, selector: dict[str, str] | None) -> dict[str, str] | None:
        if selector is not None and not selector:
            raise ValueError("selector is empty: give at least one label, or leave it out")
        return selector


class ClusterSettings(Frozen):
    """The Kubernetes cluster that runs the services."""

    kubeconfig: Path | None = Field(
        default=None, description="kubeconfig file; left out: the service account of the pod that Prunella runs in"
    )
    context: str = Field(default="", description="context in the kubeconfig; empty: its current one")
    namespace: str = Field(
        default="default", min_length=1, description="namespace of every service that names none of its own"
    )
    lease_namespace: str = Field(
        default="prunella",
        min_length=1,
        description="namespace of the leases of nodes, which have none; the same for every controller of a cluster",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10), gt=timedelta(0), description="seconds for one call to the API server"
    )


class ServingSettings(Frozen):
    """How a replica is asked whether it is well: its health page, and one small real question."""

    port: int = Field(default=8000, ge=1, le=65535, description="TCP port of the model server in its pod")
    health_path: str = Field(default="", description="health page; empty: the usual one of the engine (vLLM, Triton)")
    timeout: Duration = Field(
        default=timedelta(seconds=5),
        gt=timedelta(0),
        description="seconds for one probe; an engine silent for longer does not answer",
    )


class RegistrySettings(Frozen):
    """The model registry: an MLflow tracking server."""

    url: HttpUrl = Field(description="base URL of the MLflow server, without /api")
    token: SecretStr | None = Field(
        default=None, description="bearer token; left out: none is sent. Better PRUNELLA_REGISTRY__TOKEN than this file"
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="seconds for one call; an unanswered change is waited for twice as long, since it may come true",
    )


class ReasonerSettings(Frozen):
    """A language model that writes summaries for people. It never decides anything."""

    url: HttpUrl = Field(description="base URL of an OpenAI-compatible endpoint, with its /v1")
    model: str = Field(min_length=1, description="name of the model there")
    api_key: SecretStr | None = Field(
        default=None, description="key; left out: none is sent. Better PRUNELLA_REASONER__API_KEY than this file"
    )
    timeout: Duration = Field(
        default=timedelta(seconds=20),
        gt=timedelta(0),
        description="seconds for one answer; a template takes over after it",
    )
