"""How the services of the demo fleet behave when nothing is wrong; any other fleet gets the default of its kind."""

from dataclasses import dataclass

from config.fleet import Service, ServiceKind


@dataclass(frozen=True, slots=True)
class Profile:
    """Size and speed of one service. Rates are per second, at the mean of a week; times in seconds."""

    rate: float
    replicas: int = 0
    # language
    prompt: float = 0.0  # tokens of a mean prompt
    output: float = 0.0  # tokens of a mean answer
    prefill: float = 9000.0  # prompt tokens per second and GPU, while the prefixes of prompts are found in the cache
    reuse: float = 0.8  # share of a prompt that is a prefix which other prompts have too
    families: int = 16  # so many such prefixes
    affinity: float = 0.0  # 1: the balancer sends a prefix always to the same replica; 0: round robin
    step: float = 0.018  # seconds of a decoding step at batch 0
    step_per_request: float = 0.00025  # seconds that one more request in the batch adds to a step
    kv_tokens: float = 60_000.0  # tokens that the KV cache holds
    max_batch: float = 128.0
    # tabular and vendor
    base: float = 0.006  # seconds of an unhurried answer
    capacity: float = 200.0  # answers per second and replica, in full batches
    queue_delay: float = 0.0  # seconds that Triton lets a request wait for company; 0: its default
    # how much of a dependency's trouble comes through
    coupling: float = 0.25
    price: float = 0.0  # money per call to a vendor, or per 1000 tokens
    load: float = 75.0  # seconds that image and weights take to load
    texts: bool = False  # the rows that it scores are texts, not tables

    @property
    def kind(self) -> ServiceKind:
        """What such a service is: only engines read prompts, and vendors have no replicas here."""
        if self.prompt:
            return ServiceKind.LANGUAGE
        return ServiceKind.TABULAR if self.replicas else ServiceKind.VENDOR


CLIENT_LIMIT = {ServiceKind.LANGUAGE: 30.0, ServiceKind.TABULAR: 2.0, ServiceKind.VENDOR: 30.0}
BASE_ERROR = {ServiceKind.LANGUAGE: 0.001, ServiceKind.TABULAR: 0.0005, ServiceKind.VENDOR: 0.003}

PROFILES: dict[str, Profile] = {
    "chat": Profile(rate=4.2, replicas=4, prompt=1150, output=210, price=0.002, kv_tokens=56_000),
    "code": Profile(rate=4.2, replicas=3, prompt=2050, output=28, price=0.002, kv_tokens=50_000, prefill=14_000),
    "search": Profile(rate=2.2, replicas=2, prompt=900, output=90, price=0.002),
    "fraud": Profile(rate=170, replicas=3, load=65),
    "credit": Profile(rate=90, replicas=2, load=65),
    "recommend": Profile(rate=180, replicas=3, load=65, texts=True),
    "translate": Profile(rate=8.0, base=0.32, price=0.002),
    "moderate": Profile(rate=12.0, base=0.22, price=0.001),
}
DEFAULTS: dict[ServiceKind, Profile] = {
    ServiceKind.LANGUAGE: Profile(rate=3.0, replicas=3, prompt=1150, output=210, price=0.002, kv_tokens=56_000),
    ServiceKind.TABULAR: Profile(rate=200, replicas=3, load=65),
    ServiceKind.VENDOR: Profile(rate=8.0, base=0.3, price=0.002),
}

WARM_LOAD = 25.0  # seconds where image and weights are still in the node's cache: a revision that ran here before
GPUS_PER_NODE = 2
SPARE_GPUS = 7  # of a small fleet
GPU_HOURLY = 2.5
ZONES = ("a", "b")


def profile_of(service: Service) -> Profile:
    """Return the profile of a service; ``chat-2`` is a second ``chat``."""
    found = _named(service.name)
    return found if found is not None and found.kind is service.kind else DEFAULTS[service.kind]


def reads_texts(service: str) -> bool:
    """Whether the rows that a service of that name scores are texts."""
    found = _named(service)
    return found is not None and found.texts


def _named(service: str) -> Profile | None:
    stem, _, number = service.rpartition("-")
    return PROFILES.get(service) or (PROFILES.get(stem) if number.isdigit() else None)


def replicas_of(service: Service) -> int:
    """Return how many replicas a service begins with: its profile's, within the limits of its owner."""
    usual = profile_of(service).replicas
    return min(max(usual, service.min_replicas), service.max_replicas) if usual else 0


def nodes_for(replicas: int) -> int:
    """Return how many nodes a fleet of so many replicas has: a quarter is spare, and never less than ``SPARE_GPUS``."""
    return -(-(replicas + max(SPARE_GPUS, replicas // 4)) // GPUS_PER_NODE) if replicas else 0
