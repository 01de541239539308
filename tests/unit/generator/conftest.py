from __future__ import annotations

import pytest

from services.checkpoints.load import LoadedModel, load
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="package")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(make_tiny_model(tmp_path_factory.mktemp("model")))
