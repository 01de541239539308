"""A training beside the service that asked for it, and its end when that is stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from services.trainer.students.progress import Progress
from services.trainer.students.training import Job, train


async def trained(job: Job, report: Callable[[Progress], None]) -> None:
    """Train in a thread; `report` is called in this one. As `services.trainer.students.training`.

    Cancelled, it returns only once the training has stopped, so that two never share a folder.
    """
    loop = asyncio.get_running_loop()
    stopped = threading.Event()

    def tell(progress: Progress) -> None:
        loop.call_soon_threadsafe(report, progress)

    work = asyncio.create_task(asyncio.to_thread(train, job, tell, stopped.is_set))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # seen, so that nothing complains of it
        raise
