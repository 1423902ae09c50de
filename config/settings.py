"""Settings: everything an owner decides, grouped by concern. Each field says its unit, its default and why.

Read once, by ``config.load``, from one YAML file; an environment variable such as ``PRUNELLA_REASONER__API_KEY``
overrides the file, so that no secret need be written down.
"""

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.drills import DrillSettings
from config.duration import Duration
from config.eyes import EyesSettings
from config.fleet import Cadence, Fleet
from config.foresight import ForesightSettings
from config.freeze import Freeze
from config.frozen import Frozen
from config.logs import LogTable
from config.servers import ClusterSettings, MetricsSettings, ReasonerSettings, RegistrySettings, ServingSettings
from config.vitals import VitalsSettings

LEASE = timedelta(minutes=3)


class JournalSettings(Frozen):
    """The append-only record. State is a fold over it, so it must outlive the process."""

    url: str = Field(
        default="sqlite:///prunella.db",
        min_length=1,
        description="SQLAlchemy URL; a relative SQLite path is relative to this file",
    )
    signing_key: Path | None = Field(
        default=None,
        description="Ed25519 private key (PEM) that signs checkpoints, made by prunella audit key; left out: the chain "
        "of hashes alone shows tampering, which whoever can rewrite the whole file could hide",
    )
    checkpoint_every: int = Field(
        default=100,
        ge=1,
        le=900,
        description="entries between two signed checkpoints; what comes after one is not covered",
    )


class RungSettings(Frozen):
    """One rung of the ladder of people."""

    role: str = Field(min_length=1, description="who is asked")
    wait: Duration = Field(
        default=timedelta(minutes=15), ge=timedelta(minutes=1), description="how long, before the next rung is asked"
    )


class ApprovalSettings(Frozen):
    """Questions to people."""

    life: Duration = Field(
        default=timedelta(minutes=30),
        gt=timedelta(0),
        description="how long a question stands; a late answer would fit a world that has moved on",
    )
    quorum: int = Field(default=1, ge=1, le=5, description="so many different people must say yes; one no is enough")
    ladder: tuple[RungSettings, ...] = Field(
        default=(), description="who is asked one after the other, instead of anybody for life; then it lapses"
    )
    people: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="the roles of people, by name")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        held = [roles for roles in self.people.values() if {rung.role for rung in self.ladder} & set(roles)]
        if missing := sorted({rung.role for rung in self.ladder} - {role for roles in held for role in roles}):
            raise ValueError(f"nobody in people has the role {', '.join(missing)}")
        if self.ladder and len(held) < self.quorum:
            raise ValueError(f"quorum {self.quorum} > {len(held)} people who may answer")
        return self


class CapSettings(Frozen):
    """Hard caps, tightened. Left out, the cap in the code holds; no file can raise one above its ceiling there."""

    service_actions_per_hour: int | None = Field(default=None, ge=0, description="steps on one service in an hour")
    fleet_actions_per_hour: int | None = Field(default=None, ge=0, description="steps on all services in an hour")
    class_actions_per_hour: int | None = Field(
        default=None, ge=0, description="steps of one class of playbooks in an hour"
    )
    service_runs: int | None = Field(default=None, ge=0, description="runs on one service at once")
    class_runs: int | None = Field(default=None, ge=0, description="runs of one class of playbooks at once")
    fleet_runs: int | None = Field(default=None, ge=0, description="runs in the fleet at once")
    money_per_day: float | None = Field(default=None, ge=0, description="sum of the money bounds of a day's runs")
    blast_percent: int | None = Field(
        default=None, ge=0, le=100, description="share of a service's ready replicas that may be away at once"
    )
    budget_cost_percent: int | None = Field(
        default=None, ge=0, le=100, description="share of a day's error budget that a plan may be forecast to spend"
    )
    replicas: int | None = Field(default=None, ge=1, description="replicas that may be asked for")
    attempts: int | None = Field(default=None, ge=1, description="runs against one fault of one service in a day")
    train_seconds: float | None = Field(default=None, gt=0, description="length of one training")


class BreakerSettings(Frozen):
    """When the breaker trips: then nothing but undoing is done until a person resets it."""

    services: int = Field(default=5, ge=1, le=50, description="services acted on within the window, at most")
    percent: int = Field(default=50, ge=1, le=80, description="the same as a share of the fleet; the lower one holds")
    small: int = Field(default=2, ge=1, le=3, description="so many at least, lest a small fleet never be healed")
    window: Duration = Field(
        default=timedelta(minutes=10), gt=timedelta(0), description="over which those services are counted"
    )
    failures: int = Field(default=5, ge=1, le=20, description="runs that acted and failed, one after the other")
    memory: Duration = Field(default=timedelta(hours=1), gt=timedelta(0), description="over which those are counted")

    def ceiling(self, fleet: int) -> int:
        """Return how many services of a fleet of some size may be acted on within the window."""
        return min(self.services, max(self.small, fleet * self.percent // 100))


class PolicySettings(Frozen):
    """What may be done without a person."""

    rules: Path | None = Field(
        default=None, description="folder with Cedar rules of your own; left out: the rules that ship with Prunella"
    )
    caps: CapSettings = CapSettings()
    breaker: BreakerSettings = BreakerSettings()
    freezes: tuple[Freeze, ...] = Field(default=(), description="windows in which Prunella changes nothing")


class LadderSettings(Frozen):
    """How a playbook earns more autonomy: by recorded evidence, and a named person who pushes it up."""

    start: Literal["watch", "propose", "ask", "act"] | None = Field(
        default=None,
        description="rung on which every playbook begins; left out: what autonomy says, which stays the most",
    )
    bound: Literal["wilson", "beta"] = Field(
        default="wilson",
        description="lower confidence bound of the share of successes: Wilson's, or a Beta posterior's",
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="of that bound, one-sided")
    least: float = Field(default=0.8, gt=0, lt=1, description="the bound must be above: surely right so often")
    cases: int = Field(default=20, ge=1, description="least cases on a rung before the next")
    days: float = Field(default=7, ge=0, description="least days between the first of them and the last")


class LogSettings(Frozen):
    """The daemon's own log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severity that is written"
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console on a terminal, JSON lines elsewhere, for log collectors"
    )


class Settings(BaseSettings):
    """Everything. ``config.load.load`` is the way to get one."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, env_prefix="PRUNELLA_", env_nested_delimiter="__"
    )

    environment: str = Field(
        default="production",
        min_length=1,
        description="name of this fleet as people know it; shown. In staging alone faults may be put in (drills)",
    )
    autonomy: Literal["watch", "ask", "act"] = Field(
        default="watch",
        description="watch: never act. ask: every act needs a person. act: what the policy allows is done. "
        "The default is the one that cannot harm",
    )
    ladder: LadderSettings = LadderSettings()
    fleet: Fleet = Field(description="the guarded services, here under 'services', or in another file named by 'file'")
    metrics: MetricsSettings
    cluster: ClusterSettings = ClusterSettings()
    serving: ServingSettings = ServingSettings()
    registry: RegistrySettings | None = Field(
        default=None, description="left out: models have no versions to roll back to, and no promotion is seen"
    )
    logs: tuple[LogTable, ...] = Field(
        default=(), description="inference logs; a service without one is watched for speed and errors, not for quality"
    )
    journal: JournalSettings = JournalSettings()
    checkpoints: Path = Field(
        default=Path("prunella-checkpoints.db"),
        description="SQLite file in which running cases survive a restart; apart from the journal: it may be deleted",
    )
    halt_file: Path = Field(
        default=Path("prunella.halt"),
        description="while this file is there nothing at all is changed, undoing included; works with the journal down",
    )
    lease: Duration = Field(
        default=LEASE,
        gt=timedelta(0),
        description="how long a controller that falls silent keeps its targets; at least ten times cluster.timeout, "
        "the longest that one step may take",
    )
    cadence: Cadence = Cadence()
    eyes: EyesSettings = EyesSettings()
    foresight: ForesightSettings = ForesightSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    policy: PolicySettings = PolicySettings()
    reasoner: ReasonerSettings | None = Field(
        default=None, description="left out: no language model is asked, and a template writes the summaries"
    )
    drills: DrillSettings | None = Field(default=None, description="left out: no fault is ever put into this cluster")
    log: LogSettings = LogSettings()
    vitals: VitalsSettings | None = Field(
        default=None, description="left out: the daemon answers nobody, and opens no port"
    )

    @model_validator(mode="after")
    def _logs_of_services(self) -> Self:
        known = {service.name for service in self.fleet.services}
        for place, table in enumerate(self.logs):
            if table.service not in known:
                raise ValueError(f"logs.{place}.service: {table.service!r} is no service of the fleet")
        if len({table.service for table in self.logs}) < len(self.logs):
            raise ValueError("logs: two tables for one service")
        return self

    @model_validator(mode="after")
    def _provable(self) -> Self:
        """A version that is trained is proven on logged rows: without registry, log and key there is no proof."""
        keyed = {table.service for table in self.logs if table.key}
        for service in (each for each in self.fleet.services if each.training is not None):
            if self.registry is None:
                raise ValueError(f"service {service.name}: training needs registry.url, where versions are registered")
            if service.name not in keyed:
                raise ValueError(f"service {service.name}: training needs logs with a key, by which rows are joined")
        return self

    @model_validator(mode="after")
    def _outlasts(self) -> Self:
        if self.lease < 10 * self.cluster.timeout:
            raise ValueError(f"lease {self.lease} < 10 x cluster.timeout {self.cluster.timeout}: a step may outlast it")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file, as everywhere; nothing else is read."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings
