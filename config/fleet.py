"""What we guard: services, their objectives and what they depend on."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from config.duration import Duration
from config.frozen import Frozen


class ServiceKind(StrEnum):
    """How a service makes its answers; decides which signals it has."""

    LANGUAGE = "language"  # language-model engine: vLLM metrics
    TABULAR = "tabular"  # scoring model: Triton metrics, features, late labels
    VENDOR = "vendor"  # calls to an outside provider
    BATCH = "batch"  # work that can wait, on GPUs that another service holds; asked by nobody, promises nothing


class Objective(Frozen):
    """A promise about one signal of one service (an SLO), e.g. ``ttft_p95 below 1.0``."""

    signal: str = Field(description="name of a signal in the catalogue (tools.catalogue)")
    bound: Literal["below", "above"] = Field(default="below", description="the side of the target that is well")
    target: float = Field(description="in the signal's own unit")


DNS = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"


class Versions(Frozen):
    """Two versions of a model side by side: a backend of the service's route for each, and a Deployment behind each."""

    champion: str = Field(
        pattern=DNS,
        max_length=63,
        description="backend (a Service) in the route whose servers follow the registry's alias champion; behind it is "
        "the service's own Deployment",
    )
    candidate: str = Field(
        pattern=DNS, max_length=63, description="backend in the route whose servers follow the alias candidate"
    )
    deployment: str = Field(default="", description="Deployment behind candidate; named as that when empty")

    @property
    def workload(self) -> str:
        """Name of the Deployment that serves the candidate."""
        return self.deployment or self.candidate


class Training(Frozen):
    """How a new version of a service's model is trained: once, as a Job, from a CronJob that its team owns."""

    cron_job: str = Field(
        pattern=DNS, max_length=52, description="CronJob whose template is run; it may be suspended for good"
    )
    namespace: str = Field(default="", description="namespace of the CronJob; left out: the service's")
    scores: str = Field(
        min_length=1,
        description="where the job writes how the new version scores the logged rows since the end of its window, "
        "columns named as key and score of its log are: a file, or URL#TABLE; {version} in it is the version's name",
    )
    deadline: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=30),
        le=timedelta(hours=4),
        description="how long one training may take; policy.caps.train_seconds bounds it too",
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if "{version}" not in self.scores:
            raise ValueError("scores names no {version}: two versions would write to one place")
        return self


class Service(Frozen):
    """One guarded service."""

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        max_length=63,
        description="as the service label of its series says it",
    )
    kind: ServiceKind = Field(description="decides which signals it has")
    tier: Literal["gold", "silver", "bronze"] = Field(
        default="silver", description="how much it matters; policies are stricter for gold"
    )
    environment: Literal["production", "staging"] = Field(
        default="production", description="policies are stricter for production"
    )
    namespace: str = Field(default="default", description="Kubernetes namespace; left out: cluster.namespace")
    deployment: str = Field(default="", description="Kubernetes Deployment; the service's name when empty")
    route: str = Field(
        default="",
        description="Gateway API HTTPRoute in that namespace whose weights divide the traffic, backends named as "
        "vendors are, or SERVICE-VENDOR; empty: nothing here divides it",
    )
    model: str = Field(default="", description="name in the model registry; empty: no registry")
    versions: Versions | None = Field(
        default=None, description="left out: the route does not divide traffic between two versions of the model"
    )
    training: Training | None = Field(default=None, description="left out: no version is trained for it")
    vendors: tuple[str, ...] = Field(default=(), description="providers in order of preference")
    objectives: tuple[Objective, ...] = Field(default=(), description="what well means; none: it is shown, not guarded")
    depends_on: tuple[str, ...] = Field(default=(), description="services whose faults show here too")
    shares_gpus_of: str = Field(
        default="", description="of batch work: the service on whose GPUs it runs; for any other kind it is left out"
    )
    min_replicas: int = Field(default=2, ge=1, description="floor that no action may cross")
    max_replicas: int = Field(default=8, ge=1, description="ceiling that no action may cross")
    team: str = Field(default="", description="who pays; what services cost is added up by it")
    hourly_budget: float = Field(default=0.0, ge=0, description="money per hour; 0: none set")
    budget_gone_within: Duration = Field(
        default=timedelta(days=1),
        ge=timedelta(0),
        description="when what is left of a month's budget (30 days) lasts no longer, at the pace of the last hour and "
        "of its last five minutes, somebody is told at once, not in the day's digest; 0s: never",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} > max_replicas {self.max_replicas}")
        if self.kind is ServiceKind.VENDOR and not self.vendors:
            raise ValueError("a vendor service names at least one vendor")
        batch = self.kind is ServiceKind.BATCH
        if batch != bool(self.shares_gpus_of):
            raise ValueError("shares_gpus_of is for services of kind batch, and they need it")
        if batch and (self.objectives or self.model):
            raise ValueError("a batch service has neither objectives nor a model: nobody waits for it")
        self._trained()
        return self

    def _trained(self) -> None:
        if self.versions is not None:
            if not (self.route and self.model) or self.vendors:
                raise ValueError("versions needs a route and a model, and is not for calls to vendors")
            if self.versions.champion == self.versions.candidate or self.versions.workload == self.workload:
                raise ValueError("versions: champion and candidate are one backend, or one Deployment")
        if self.training is not None and self.versions is None:
            raise ValueError("training needs versions: a new version is tried beside the one that serves")

    @property
    def workload(self) -> str:
        """Name of the Deployment that runs the service."""
        return self.deployment or self.name


class Fleet(Frozen):
    """All guarded services. An empty fleet is an error, never "everything"."""

    services: tuple[Service, ...] = Field(min_length=1, description="at least one")

    @model_validator(mode="after")
    def _closed(self) -> Self:
        names = [service.name for service in self.services]
        if len(set(names)) != len(names):
            raise ValueError("two services have one name")
        for service in self.services:
            if missing := sorted(set(service.depends_on) - set(names)):
                raise ValueError(f"service {service.name} depends on unknown {', '.join(missing)}")
        self._shared()
        return self

    def _shared(self) -> None:
        kinds = {service.name: service.kind for service in self.services}
        hosts = [service.shares_gpus_of for service in self.batches]
        for service in self.batches:
            host = service.shares_gpus_of
            if kinds.get(host) not in (ServiceKind.LANGUAGE, ServiceKind.TABULAR):
                raise ValueError(f"service {service.name} shares the GPUs of {host}, which holds none")
            if hosts.count(host) > 1:
                raise ValueError(f"two batch services share the GPUs of {host}")

    @property
    def batches(self) -> tuple[Service, ...]:
        """Work that can wait, on GPUs of others."""
        return tuple(service for service in self.services if service.kind is ServiceKind.BATCH)

    @property
    def beside(self) -> dict[str, str]:
        """Of batch work, by name, the service beside which it runs."""
        return {service.name: service.shares_gpus_of for service in self.batches}

    @property
    def hosts(self) -> frozenset[str]:
        """Names of the services whose GPUs batch work shares: what the device does is not what they do."""
        return frozenset(self.beside.values())

    @property
    def size(self) -> int:
        """How many services there are that can fall ill: batch work makes no storm smaller."""
        return len(self.services) - len(self.batches)

    def host(self, service: Service) -> Service:
        """Return the service that people feel it at, when one is acted on: of batch work, whose GPUs it shares."""
        return self.service(service.shares_gpus_of) if service.shares_gpus_of else service

    def service(self, name: str) -> Service:
        """Return the service called ``name``; ``KeyError`` when there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)


class Cadence(Frozen):
    """How often Prunella looks."""

    tick: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0), description="between two observations")
    quality: Duration = Field(
        default=timedelta(minutes=2), gt=timedelta(0), description="between two looks at inference logs"
    )
    logs: Duration = Field(
        default=timedelta(minutes=10),
        gt=timedelta(0),
        description="between two inspections of inference logs: rules, skew, groups, measures",
    )
