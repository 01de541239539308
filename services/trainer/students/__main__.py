"""`python -m torch.distributed.run … -m services.trainer.students JOB`, begun by `launching`."""

from __future__ import annotations

import sys
from pathlib import Path

from services.trainer.students.launching import work_on

if __name__ == "__main__":
    work_on(Path(sys.argv[1]))
