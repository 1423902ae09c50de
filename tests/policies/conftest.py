import pytest

from policies.judge import Rules, load_rules
from tests.policies.builders import SCHEMA, TEXTS


@pytest.fixture(scope="session")
def rules() -> Rules:
    return load_rules(TEXTS, SCHEMA)
