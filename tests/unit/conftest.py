"""The machine may be shared: how long an example takes says nothing about the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
