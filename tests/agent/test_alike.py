"""Who falls ill together with others, and as badly, was hardly made ill by what was changed on it alone."""

from collections.abc import Sequence

import pytest

from agent.analysts import serving
from agent.analysts.alike import ill_alike
from agent.observe import Scene
from config.fleet import Fleet, Objective, Service, ServiceKind
from tests.agent.handmade import anomaly, incident, scene, seen

WELL, ILL = 0.001, 0.07
CALM = [WELL] * 10


def service(name: str, *, on: tuple[str, ...] = ()) -> Service:
    objective = Objective(signal="error_ratio", target=0.02)
    return Service(name=name, kind=ServiceKind.LANGUAGE, objectives=(objective,), depends_on=on)


FLEET = Fleet(
    services=(
        service("talk", on=("base",)),
        service("base"),
        service("one"),
        service("two"),
        service("top", on=("two",)),
    )
)


def shown(**errors: Sequence[float]) -> Scene:
    length = max(map(len, errors.values()))
    looked = [
        seen(
            tick, {("error_ratio", f"service/{name}"): told[min(tick, len(told) - 1)] for name, told in errors.items()}
        )
        for tick in range(length)
    ]
    made = scene(*looked)
    return Scene(FLEET, made.observation, made.history, made.senses, made.now)


def alike(**errors: Sequence[float]) -> tuple[str, ...]:
    sick = incident(anomaly("service/talk", tick=10))
    return tuple(ill_alike(sick, shown(**errors)))


def test_two_strangers_that_fell_ill_with_it_and_as_badly_share_its_cause() -> None:
    assert alike(talk=[*CALM, ILL, ILL], one=[*CALM, WELL, ILL], two=[*CALM, ILL, ILL]) == ("one", "two")


def test_one_stranger_or_what_leans_on_another_is_not_enough() -> None:
    assert not alike(talk=[*CALM, ILL, ILL], one=[*CALM, ILL, ILL])
    assert not alike(talk=[*CALM, ILL, ILL], two=[*CALM, ILL, ILL], top=[*CALM, ILL, ILL])
    assert not alike(talk=[*CALM, ILL, ILL], base=[*CALM, ILL, ILL], one=[*CALM, ILL, ILL])


def test_who_fails_far_more_than_the_others_has_a_cause_of_its_own() -> None:
    assert not alike(talk=[*CALM, 0.25, 0.25], one=[*CALM, ILL, ILL], two=[*CALM, ILL, ILL])


def test_what_was_ill_before_or_came_much_later_is_another_matter() -> None:
    assert not alike(talk=[*CALM, ILL, ILL], one=[ILL] * 12, two=[*CALM, ILL, ILL])
    late = [*CALM, *[WELL] * 8, ILL]
    assert not alike(talk=[*CALM, *[ILL] * 9], one=late, two=late)


def test_who_is_still_ill_when_the_others_are_well_again_stands_alone() -> None:
    passed = [*CALM, ILL, ILL, *[WELL] * 5]
    assert not alike(talk=[*CALM, *[ILL] * 7], one=passed, two=passed)


def test_no_data_is_nobody() -> None:
    assert not alike(talk=[*CALM, ILL, ILL])


@pytest.mark.parametrize(("rate", "fails"), [(0.12, False), (0.5, True)])
def test_a_vendor_is_not_blamed_for_what_strangers_fail_as_well(rate: float, fails: bool) -> None:
    """A tenth of the requests go there, so a few more of them fail by chance than of everybody's."""
    vendors = Service(
        name="talk",
        kind=ServiceKind.VENDOR,
        vendors=("a", "b"),
        objectives=(Objective(signal="error_ratio", target=0.03),),
    )
    rates = {"talk": [*CALM, ILL, ILL], "one": [*CALM, ILL, ILL], "two": [*CALM, ILL, ILL]}
    looked = shown(**rates)
    newest = seen(
        12, {**{("error_ratio", f"service/{n}"): ILL for n in rates}, ("vendor_error_ratio", "vendor/talk/a"): rate}
    )
    fleet = Fleet(services=(vendors, *(each for each in FLEET.services if each.name not in ("talk", "base"))))
    look = Scene(fleet, newest, (*looked.history, newest), looked.senses, newest.at)
    found = serving.examine(incident(anomaly("service/talk", tick=10)), look)
    (told,) = [item for item in found if item.finding == "vendor_failing"]
    assert (told.weight > 0) is fails, told
