# ruff: noqa: E501 - a table of messages reads best in lines
"""Configuration: what is wrong is said in one line with file, line and field; what is right becomes typed values."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from config import reference
from config.duration import parse_duration, written
from config.freeze import Freeze
from config.load import ConfigError, load, load_fleet
from config.settings import Settings

ROOT = Path(__file__).parents[2]
GOOD = """fleet:
  services:
    - {name: chat, kind: language}
metrics:
  url: http://prometheus:9090
"""


def wrong(tmp_path: Path, text: str) -> list[str]:
    """The problems of a configuration, without its folder."""
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    lines = str(caught.value).splitlines()
    assert tuple(lines) == caught.value.problems
    return [line.replace(f"{tmp_path}/", "") for line in lines]


def test_the_example_is_complete_and_loads() -> None:
    settings = load(ROOT / "config" / "example.yaml")
    assert [service.name for service in settings.fleet.services] == ["chat", "fraud", "translate"]
    given = settings.model_fields_set | {
        "reasoner",
        "registry",
        "logs",
        "drills",
        "vitals",
    }  # shown as comments: left out is its default
    assert given == set(Settings.model_fields)


def test_the_configuration_of_the_manifest_loads_and_only_watches(tmp_path: Path) -> None:
    manifest = list(yaml.safe_load_all((ROOT / "deploy" / "prunella.yaml").read_text()))
    file = tmp_path / "prunella.yaml"
    file.write_text(manifest[0]["data"]["prunella.yaml"])
    settings = load(file)
    assert settings.autonomy == "watch"
    assert settings.vitals is not None
    assert settings.vitals.address == ("0.0.0.0", 9464)  # a pod's own


@pytest.mark.parametrize("listen", ["9464", "host", "host:99999", "a b:1", "http://host:9464", "host:port"])
def test_an_address_to_listen_at_is_a_host_and_a_port(tmp_path: Path, listen: str) -> None:
    (line,) = wrong(tmp_path, f"{GOOD}\nvitals: {{listen: '{listen}'}}\n")
    assert line.endswith(f"{listen!r} is no HOST:PORT")


def test_every_field_of_the_example_s_groups_is_named_in_it() -> None:
    text = (ROOT / "config" / "example.yaml").read_text()
    for name, model in reference.groups():
        for field in model.model_fields:
            assert f"{field}:" in text, f"{name}.{field} is not in config/example.yaml"


def test_a_minimal_file_is_enough_and_watches_only(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(GOOD)
    settings = load(file)
    assert settings.autonomy == "watch"
    assert settings.cadence.tick == timedelta(seconds=30)
    assert settings.journal.url == f"sqlite:///{tmp_path}/prunella.db"
    assert settings.checkpoints == tmp_path / "prunella-checkpoints.db"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD + "  timout: 3s\n", "p.yaml:6: metrics.timout: unknown field; did you mean timeout?"),
        (GOOD + "  selector: {}\n", "p.yaml:6: metrics.selector: selector is empty: give at least one label, or leave it out"),
        (GOOD + "colour: blue\n", "p.yaml:6: colour: unknown field"),
        (GOOD + "cadence:\n  tick: soon\n", "p.yaml:7: cadence.tick: 'soon' is no duration: write 30s, 5m, 2h or 7d"),
        (GOOD + "cadence: {tick: 0s}\n", "p.yaml:6: cadence.tick: input should be greater than 0 seconds"),
        (GOOD + "autonomy: yolo\n", "p.yaml:6: autonomy: input should be 'watch', 'ask' or 'act'"),
        (GOOD.replace("http://prometheus:9090", "prometheus"), "p.yaml:5: metrics.url: 'prometheus' is no http(s) address"),
        (GOOD.replace("language", "lama"), "p.yaml:3: fleet.services.0.kind: input should be 'language', 'tabular', 'vendor' or 'batch'"),
        ("fleet: {services: []}\nmetrics: {url: http://p}\n", "p.yaml:1: fleet.services: is empty; give at least one"),
        ("metrics: {url: http://p}\n", "p.yaml:1: fleet: is missing"),
        (GOOD + "metrics: {}\n", "p.yaml:6: not YAML: metrics is given twice"),
        ("a: [1\nb: 2\n", "p.yaml:2: not YAML: expected ',' or ']', but got ':'"),
        ("a: &x [*x]\n", "p.yaml:1: not YAML: an alias refers to itself"),
        ("a: !!python/object/apply:os.system [true]\n", "p.yaml:1: not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("", "p.yaml:1: the file is empty"),
        ("- a\n", "p.yaml:1: the file is no mapping of fields"),
        ("\x00", "p.yaml: not YAML: unacceptable character #x0000: special characters are not allowed in \"<byte string>\", position 0"),
        (GOOD + "policy: {freezes: [{why: x}]}\n", "p.yaml:6: policy.freezes.0: a freeze window has either start and end, or weekly, or cron"),
        (GOOD + "policy: {freezes: [{why: x, weekly: 'fri 26:00 - mon 08:00'}]}\n", "p.yaml:6: policy.freezes.0: 26:00 is no time of day"),
        (GOOD + "policy: {freezes: [{why: x, weekly: 'fri 16:00 - mon 08:00', zone: Mars/Base}]}\n", "p.yaml:6: policy.freezes.0: no time zone is called 'Mars/Base'; e.g. Europe/Berlin, or UTC"),
        (GOOD + "policy: {freezes: [{why: x, cron: '0 9 * * mon', zone: UTC}]}\n", "p.yaml:6: policy.freezes.0: lasts goes with cron, and cron with lasts"),
        (GOOD + "policy: {freezes: [{why: x, cron: '0 9 * * mon', lasts: 1h}]}\n", "p.yaml:6: policy.freezes.0: cron '0 9 * * mon': say in which time zone: zone: Europe/Berlin, or UTC"),
        (GOOD + "policy: {freezes: [{why: x, cron: '0 9 * *', lasts: 1h, zone: UTC}]}\n", "p.yaml:6: policy.freezes.0: cron '0 9 * *' has 4 fields, not 5: minute hour day month weekday"),
        (GOOD + "policy: {freezes: [{why: x, cron: '0 9 * * 1-5', lasts: 1h, zone: UTC}]}\n", "p.yaml:6: policy.freezes.0: cron '0 9 * * 1-5': write weekdays by name, mon to sun; what their numbers mean is disputed"),
        (GOOD + "policy: {freezes: [{why: x, cron: '0 9 1 * mon', lasts: 1h, zone: UTC}]}\n", "p.yaml:6: policy.freezes.0: cron '0 9 1 * mon': a day of the month or a weekday, not both; make it two windows"),
        (GOOD + "policy: {freezes: [{why: x, cron: '0 9 30 2 *', lasts: 1h, zone: UTC}]}\n", "p.yaml:6: policy.freezes.0: cron '0 9 30 2 *' never happens"),
        (GOOD + "policy: {freezes: [{why: x, cron: '0 9 * * *', lasts: 40d, zone: UTC}]}\n", "p.yaml:6: policy.freezes.0: lasts is between a minute and 31 days"),
        ("fleet: {file: none.yaml}\nmetrics: {url: http://p}\n", "p.yaml:1: fleet.file: none.yaml: cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert wrong(tmp_path, text) == [line]


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    lines = wrong(tmp_path, GOOD.replace("kind: language", "kind: lama, tier: tin") + "colour: blue\n")
    assert [line.split(": ")[1] for line in lines] == ["fleet.services.0.kind", "fleet.services.0.tier", "colour"]


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read: No such file"):
        load(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_fleet_of_its_own_file_names_that_file_when_wrong(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("services:\n  - name: chat\n    kind: lama\n")
    lines = wrong(tmp_path, "fleet: {file: fleet.yaml}\nmetrics: {url: http://p}\n")
    assert lines == ["fleet.yaml:3: fleet.services.0.kind: input should be 'language', 'tabular', 'vendor' or 'batch'"]
    (tmp_path / "fleet.yaml").write_text("services: [{name: chat, kind: language}]\n")
    assert load(tmp_path / "p.yaml").fleet == load_fleet(tmp_path / "fleet.yaml")


def test_the_namespace_of_the_cluster_is_that_of_services_without_one(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    second = "    - {name: code, kind: language, namespace: lab}\n"
    file.write_text(GOOD.replace("metrics:", second + "metrics:") + "cluster: {namespace: serving}\n")
    assert [service.namespace for service in load(file).fleet.services] == ["serving", "lab"]


def test_the_environment_overrides_the_file_and_is_named_when_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(GOOD + "reasoner: {url: http://m/v1, model: small, api_key: written}\n")
    monkeypatch.setenv("PRUNELLA_REASONER__API_KEY", "from-env")
    monkeypatch.setenv("PRUNELLA_AUTONOMY", "ask")
    settings = load(file)
    assert settings.autonomy == "ask"
    assert settings.reasoner is not None
    assert settings.reasoner.api_key is not None
    assert settings.reasoner.api_key.get_secret_value() == "from-env"
    assert "from-env" not in repr(settings)
    monkeypatch.delenv("PRUNELLA_REASONER__API_KEY")
    monkeypatch.setenv("PRUNELLA_AUTONOMY", "yolo")
    where = "environment variable PRUNELLA_AUTONOMY: autonomy"
    assert wrong(tmp_path, GOOD) == [f"{where}: input should be 'watch', 'ask' or 'act'"]


def test_durations_read_and_write() -> None:
    assert parse_duration("1h30m") == timedelta(minutes=90)
    assert parse_duration("250ms") == timedelta(milliseconds=250)
    assert [written(parse_duration(text)) for text in ("90s", "7d", "0s", "1.5s")] == ["1m30s", "7d", "0s", "1.5s"]
    for text in ("", "5", "5 parsecs", "-3s", "3s4"):
        with pytest.raises(ValueError, match="no duration"):
            parse_duration(text)


@pytest.mark.parametrize(
    ("moment", "frozen"),
    [
        (datetime(2026, 3, 6, 15, 59, tzinfo=UTC), False),  # a Friday
        (datetime(2026, 3, 6, 16, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 8, 23, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 9, 7, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 9, 8, 0, tzinfo=UTC), False),
    ],
)
def test_a_weekly_freeze_runs_over_the_weekend(moment: datetime, frozen: bool) -> None:
    assert Freeze(why="weekend", weekly="fri 16:00 - mon 08:00").holds_at(moment) is frozen


def test_a_fixed_freeze_ends_before_its_end() -> None:
    start, end = datetime(2026, 12, 20, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC)
    freeze = Freeze(why="year end", start=start, end=end)
    assert [freeze.holds_at(at) for at in (start - timedelta(seconds=1), start, end)] == [False, True, False]


def test_the_page_of_settings_is_the_fields_own_words() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page == reference.reference(), "renew it: python -c 'import config.reference as r; r.write()'"


def test_every_field_says_what_it_means() -> None:
    for name, model in reference.groups():
        for field, info in model.model_fields.items():
            assert info.description or reference.about(info), f"{name}.{field} has no description"


SIDE_BY_SIDE = """fleet:
  services:
    - name: fraud
      kind: tabular
      model: fraud
      route: fraud
      versions: {champion: fraud-champion, candidate: fraud-candidate}
      training: {cron_job: train-fraud, scores: "scores/{version}.parquet", deadline: 30m}
metrics:
  url: http://prometheus:9090
registry: {url: http://mlflow:5000}
logs:
  - {service: fraud, rows: fraud.parquet, key: request}
"""


def test_a_training_is_read_and_its_scores_lie_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(SIDE_BY_SIDE)
    (service,) = load(tmp_path / "p.yaml").fleet.services
    assert service.versions is not None
    assert service.versions.workload == "fraud-candidate"
    assert service.training is not None
    assert service.training.scores == f"{tmp_path}/scores/{{version}}.parquet"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("      route: fraud\n", "", "versions needs a route and a model"),
        ("candidate: fraud-candidate", "candidate: fraud-champion", "are one backend, or one Deployment"),
        ("      route: fraud\n", "      route: fraud\n      deployment: fraud-candidate\n", "or one Deployment"),
        ("      versions: {champion: fraud-champion, candidate: fraud-candidate}\n", "", "training needs versions"),
        ("{version}.parquet", "new.parquet", "scores names no {version}"),
        ("deadline: 30m", "deadline: 5h", "deadline"),
        ("registry: {url: http://mlflow:5000}\n", "", "training needs registry.url"),
        (", key: request", "", "training needs logs with a key"),
    ],
)
def test_a_training_that_could_not_be_proven_is_a_mistake(tmp_path: Path, old: str, new: str, why: str) -> None:
    assert old in SIDE_BY_SIDE
    assert why in " ".join(wrong(tmp_path, SIDE_BY_SIDE.replace(old, new)))
