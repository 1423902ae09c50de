"""The daemon's own page over the wire."""

from collections.abc import Sequence

import pytest
import requests

from tools.errors import Refused
from tools.live.vitals import serving
from tools.vital import Vital

ANYWHERE = ("127.0.0.1", 0)
pytestmark = [pytest.mark.real, pytest.mark.enable_socket]


class Patient:
    def __init__(self) -> None:
        self.words = ""

    def vitals(self) -> Sequence[Vital]:
        return (
            Vital("prunella_cases", "Cases.", 3, {"phase": "recovered"}),
            Vital("prunella_cases", "Cases.", 1, {"phase": 'odd "name"'}),
            Vital("prunella_ticks_total", "Ticks.", 7),
        )

    def stalled(self) -> str:
        return self.words


def test_it_is_read_by_a_prometheus_and_by_a_kubelet() -> None:
    patient = Patient()
    with serving(ANYWHERE, patient) as port:
        at = f"http://127.0.0.1:{port}"
        text = requests.get(f"{at}/metrics", timeout=60).text
        assert "# TYPE prunella_ticks_total counter\nprunella_ticks_total 7.0\n" in text
        assert 'prunella_cases{phase="recovered"} 3.0' in text
        assert 'prunella_cases{phase="odd \\"name\\""} 1.0' in text
        assert (requests.get(f"{at}/healthz", timeout=60).status_code) == 200
        patient.words = "no tick has ended for 906 s"
        found = requests.get(f"{at}/healthz?verbose", timeout=60)
        assert (found.status_code, found.text) == (503, "no tick has ended for 906 s\n")
        assert requests.get(f"{at}/", timeout=60).status_code == 404
        assert requests.post(f"{at}/metrics", timeout=60).status_code == 501


def test_an_address_that_cannot_be_had_is_said() -> None:
    with serving(ANYWHERE, Patient()) as port:
        again = serving(("127.0.0.1", port), Patient())
        with pytest.raises(Refused, match=f"vitals.listen: 127.0.0.1:{port}: "):
            again.__enter__()
