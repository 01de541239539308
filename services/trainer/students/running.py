"""A training beside the service that asked for it, and its end when that is stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import torch

from services.trainer.students.launching import launched
from services.trainer.students.progress import Progress
from services.trainer.students.training import Job, train


async def trained(job: Job, report: Callable[[Progress], None], processes: int = 1) -> None:
    """Train in a thread, or in `processes` of their own; 0: one for each GPU.

    `report` is called in the caller's thread; errors are those of `train`. Cancelled, it
    returns only once the training has stopped, so that two never share a folder.
    """
    loop = asyncio.get_running_loop()
    stopped = threading.Event()
    count = processes or max(1, torch.cuda.device_count())

    def tell(progress: Progress) -> None:
        loop.call_soon_threadsafe(report, progress)

    def work() -> None:
        if count == 1:
            train(job, tell, stopped.is_set)
        else:
            launched(job, count, tell, stopped.is_set)

    working = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # seen, so that nothing complains of it
        raise
