from __future__ import annotations

import pytest

from services.checkpoints.load import LoadedModel, load
from services.generator.fitted import fit
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="package")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return fit(load(make_tiny_model(tmp_path_factory.mktemp("model"))))
