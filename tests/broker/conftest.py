"""What the tests of the broker share."""

import pytest

from tests.broker.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
