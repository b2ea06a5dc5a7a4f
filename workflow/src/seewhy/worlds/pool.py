"""Worker processes that never run the calling script again."""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

from seewhy.processes import end_with_parent

Given, Result = TypeVar("Given"), TypeVar("Result")


def in_order(
    work: Callable[[Given], Result], items: Iterable[Given], workers: int
) -> Iterator[Result]:
    """Yield ``work(item)`` of each item in order, worked on by `workers` processes.

    No more than three results a worker are held at a time. One worker works in this process. A
    worker that is killed raises `concurrent.futures.process.BrokenProcessPool`; workers end with
    this process, however it ends.
    """
    if workers == 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, end_with_parent) as pool:
        waiting: collections.deque[Future[Result]] = collections.deque()
        try:
            for item in items:
                with _without_main():
                    waiting.append(pool.submit(work, item))
                if len(waiting) > 3 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module while a process starts.

    A spawned process imports its parent's main module, which for a rule's script means running it
    once more; what the workers need is importable by itself.
    """
    main = vars(sys.modules["__main__"])
    hidden = {name: main.pop(name) for name in ("__file__", "__spec__") if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        del main["__spec__"]
        main.update(hidden)
