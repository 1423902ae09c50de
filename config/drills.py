"""Real faults in a staging cluster: who may be hurt, who may say so, and who cleans up."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from config.duration import Duration
from config.frozen import Frozen


class DrillSettings(Frozen):
    """Real faults in a staging cluster (``prunella drill --against``). Left out: none can be begun."""

    services: tuple[str, ...] = Field(
        min_length=1, description="services that may be hurt, each with environment: staging"
    )
    namespaces: tuple[str, ...] = Field(
        min_length=1,
        description="namespaces in which that may be; each labelled prunella.dev/drills=allowed",
    )
    approvers: tuple[str, ...] = Field(min_length=1, description="people who may approve a drill, by name")
    reverter_image: str = Field(
        min_length=1, description="image with Prunella in it: the Job that takes the fault back runs it"
    )
    reverter_account: str = Field(
        default="prunella-reverter", min_length=1, description="service account of that Job; see deploy/drills.yaml"
    )
    kubeconfig: Path | None = Field(
        default=None, description="whose rights the fault is put in with; left out: cluster.kubeconfig"
    )
    longest: Duration = Field(
        default=timedelta(minutes=30),
        gt=timedelta(0),
        le=timedelta(hours=2),
        description="how long a fault may stand at most",
    )
    hold: Duration = Field(
        default=timedelta(minutes=1), gt=timedelta(0), description="how long it must stay well to count as healed"
    )
    bad_env: dict[str, str] = Field(
        default_factory=dict,
        description="for bad_release: variables of the first container, with values that it cannot work with",
    )
