"""The catalogue of faults as a page: one paragraph for each scenario file, made from the files alone."""

from collections.abc import Iterator, Mapping

from playbooks.faults import shipped_faults
from simulator.modifiers import MODIFIERS
from simulator.scenario import load_scenarios
from simulator.world.script import Scenario
from tools.marks import MARKS

LAYERS: Mapping[str, str] = {
    "cluster": "Cluster",
    "gpu": "GPUs",
    "engine": "Engines",
    "quality": "Quality",
    "pipeline": "Pipeline",
    "cost": "Cost",
    "vendor": "Vendors",
    "ourselves": "Ourselves",
    "quiet": "Quiet runs",
}
HEAD = """# Faults

Made from `simulator/scenarios/*.yaml` by `python -m simulator.catalogue > docs/faults.md`; a test keeps it current.
Any of them can be drilled: `prunella drill ID --seeds 5`, and made harder: `--modifier red_herring`.
"""


def page() -> str:
    """Return the whole page in Markdown."""
    known = load_scenarios().values()
    parts = [HEAD]
    for layer, title in LAYERS.items():
        found = [scenario for scenario in known if scenario.layer == layer]
        if found:
            parts += [f"## {title} ({len(found)})\n", *(f"{paragraph(scenario)}\n" for scenario in found)]
    parts.append(f"## Modifiers ({len(MODIFIERS)})\n")
    parts.append(", ".join(f"`{name}`" for name in MODIFIERS) + ".\n")
    return "\n".join(parts)


def paragraph(scenario: Scenario) -> str:
    """Return what goes wrong, whom it hits, how it shows, and what is right."""
    return " ".join((f"**{scenario.id}**", scenario.about, *_rest(scenario)))


def _rest(scenario: Scenario) -> Iterator[str]:
    truth = scenario.truth
    if scenario.target:
        yield f"Hits {', '.join(scenario.target)}."
    marks = sorted({mark for mutation in scenario.mutations for mark in mutation.marks} or _organic(truth.fault))
    if marks:
        yield f"Shows {', '.join(f'`{mark}`' for mark in marks)}."
    if truth.acceptable_playbooks:
        right = " or ".join(f"`{name}`" for name in truth.acceptable_playbooks)
        yield f"Right: {right}; where that cannot be, tell a person." if truth.easing_playbooks else f"Right: {right}."
        if truth.restore:
            yield f"Healed only with {', '.join(f'`{name}`' for name in truth.restore)}."
    elif truth.fault:
        easing = " or ".join(f"`{name}`" for name in truth.easing_playbooks)
        yield f"Right: tell a person; meanwhile {easing}." if easing else "Right: tell a person; no machine should act."
    if truth.fault and truth.fault != scenario.id:
        about = next(profile.about for profile in shipped_faults() if profile.id == truth.fault)
        yield f"What is to be healed meanwhile: {about}."


def _organic(fault: str) -> set[str]:
    """Return the marks by which a fault is told apart that the world's mechanics show of themselves."""
    profile = next((profile for profile in shipped_faults() if profile.id == fault), None)
    return {mark.finding for mark in MARKS} & set(profile.needs) if profile is not None else set()


def main() -> None:
    """Write the page to standard output."""
    import sys

    sys.stdout.write(page())


if __name__ == "__main__":
    main()
