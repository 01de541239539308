"""On what a page's figures were measured."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version


def measured_on(*packages: str) -> str:
    """Today, this machine, and the versions of Python and of the packages that matter."""
    return ", ".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d}",
            f"{platform.machine()} with {os.cpu_count()} CPUs",
            f"Python {platform.python_version()}",
            *(f"{one} {version(one)}" for one in packages),
        ]
    )
