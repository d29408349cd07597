"""One torch thread, as the trainer has: several would only wait for each other on such small models."""

import pytest
import torch


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
