"""A local Apache Spark: installed once into a folder of its own outside the checkout, at the constraints' version.

Only PySpark and its bridge are put there; Ibis and all else are the project's own. Needs a Java of 17 or newer.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.lab.binaries import LabError
from tests.contracts.parts import ROOT, find_parts

PARTS = ("pyspark", "py4j")
OLDEST_JAVA = 17
SETTINGS = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # it lives for seconds
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.warehouse.dir": "{folder}/warehouse",
}
LOGGING = "rootLogger.level = error\nrootLogger.appenderRef.console.ref = console\n" + (
    "appender.console.type = Console\nappender.console.name = console\n"
    "appender.console.target = SYSTEM_ERR\nappender.console.layout.type = PatternLayout\n"
)


def find_spark() -> Path:
    """Return the folder to put on Python's path; raises LabError where there is no Java, or no PySpark to be had."""
    _check_java()
    return find_parts("spark", PARTS)


def on_spark(module: str, arguments: Sequence[str], folder: Path) -> Any:
    """Run a module of ours where a Spark can be started; return the JSON of its last line of output."""
    (folder / "spark-defaults.conf").write_text(
        "".join(f"{key} {value.format(folder=folder)}\n" for key, value in SETTINGS.items())
    )
    (folder / "log4j2.properties").write_text(LOGGING)
    own = {
        "PYTHONPATH": os.pathsep.join((str(find_spark()), str(ROOT))),
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TZ": "America/New_York",  # hours must be those of UTC wherever the engine stands
    }
    inherited = {name: value for name, value in os.environ.items() if name != "SPARK_HOME"}
    argv = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(argv, cwd=folder, env=inherited | own, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{module} failed on Spark:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _check_java() -> None:
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else shutil.which("java")
    try:
        done = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise LabError(f"Spark needs a Java {OLDEST_JAVA} or newer: {error}") from error
    found = re.search(r'version "(\d+)', done.stderr)
    if found is None or int(found[1]) < OLDEST_JAVA:
        raise LabError(f"Spark needs a Java {OLDEST_JAVA} or newer, found {done.stderr.strip()[:80]!r}")
