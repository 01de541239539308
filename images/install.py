"""Installs into an image's environment, with a pip that stays outside it.

    install.py dependencies EXTRA...   what pyproject.toml names, at the versions of constraints.txt
    install.py packages NAME...        single packages, without what they depend on
    install.py project WHEEL...        the project's own wheels
    install.py list EXTRA...           print what `dependencies` would ask for

Wheels come from the wheelhouse alone where it holds any, else from pip's index.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
WHEELHOUSE = Path("/wheelhouse")
ENVIRONMENT = Path("/opt/stillhouse/bin/python")


def requirements(extras: Iterable[str]) -> list[str]:
    """What the services, the client and the named extras depend on, the project itself aside."""
    services, client = (
        tomllib.loads((SOURCE / path).read_text(encoding="utf-8"))["project"]
        for path in ("pyproject.toml", "clients/pyproject.toml")
    )
    found = [*client["dependencies"], *services["dependencies"]]
    for extra in extras:
        found += services["optional-dependencies"][extra]
    return sorted({one for one in found if not re.match(r"stillhouse\b", one)})


def pip_install(*arguments: str, offline: bool) -> None:
    """Install into the environment."""
    command = [sys.executable, "-m", "pip", "--python", str(ENVIRONMENT), "install"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    if offline:
        command.append("--no-index")
    subprocess.run([*command, *arguments], check=True)


def main(what: str, *names: str) -> None:
    """As the module says."""
    pinned = ["--constraint", str(SOURCE / "constraints.txt"), "--find-links", str(WHEELHOUSE)]
    offline = any(WHEELHOUSE.glob("*.whl"))
    if what == "list":
        print("\n".join(requirements(names)))
    elif what == "project":
        pip_install("--no-deps", *names, offline=True)
    elif what == "packages":
        pip_install(*pinned, "--no-deps", *names, offline=offline)
    else:
        pip_install(*pinned, *requirements(names), offline=offline)


if __name__ == "__main__":
    main(*sys.argv[1:])
