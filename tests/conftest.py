"""What holds for all tests: one thread for tiny models, inherited by the services they start.

Several threads only wait for each other there, and where more processes want the CPUs than
there are, they wait for long.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
