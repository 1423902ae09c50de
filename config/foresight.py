"""Whether replicas follow what the hours usually bring, how far ahead is looked, and whether batch work fills GPUs."""

from datetime import timedelta

from pydantic import Field

from config.duration import Duration
from config.frozen import Frozen


class ForesightSettings(Frozen):
    """Replicas that the coming hours do not need are given back, and brought back before they are needed."""

    scale: bool = Field(
        default=False,
        description="whether that is done at all. It needs autonomy act: nobody is asked at night about one replica",
    )
    ahead: Duration = Field(
        default=timedelta(hours=2),
        ge=timedelta(minutes=30),
        le=timedelta(hours=12),
        description="for how long a replica must not be needed before it is given back",
    )
    lead: Duration = Field(
        default=timedelta(minutes=45),
        ge=timedelta(minutes=10),
        le=timedelta(hours=2),
        description="how long before it will be needed it is brought back: longer than replicas take to load, and to "
        "be started one after the other",
    )
    fill: bool = Field(
        default=False,
        description="whether batch services get workers on the GPUs of the services that they share with, as long as "
        "those keep their objectives, and lose them at once when they are needed. It needs autonomy act",
    )
    interference: float = Field(
        default=0.2,
        ge=0.0,
        le=3.0,
        description="how much longer, at most, everything takes on a GPU that a batch worker shares; 0.2: a fifth. "
        "Measure it on your own cards: time slices without priorities may double times (1.0)",
    )
