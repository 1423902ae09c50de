"""Whether replicas follow what the hours usually bring, and how far ahead is looked."""

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
