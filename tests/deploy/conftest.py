"""Every law about what the chart makes holds for each file of values."""

import pytest
from charts import VALUES, Object, rendered


@pytest.fixture(params=VALUES, ids=lambda path: path.stem)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return rendered(request.param)
