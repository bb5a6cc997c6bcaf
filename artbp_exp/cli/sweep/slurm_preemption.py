"""A cluster may reclaim a job: it gets it back once the run has written a checkpoint, not before."""

import signal
from collections.abc import Callable

from artbp_exp.cli.signals import Interrupted

Stop = Callable[[], int | None]


def preemptible(work: Callable[[Stop], object]) -> None:
    """Runs `work`, and holds back a handler that the launcher has installed for SIGUSR2.

    submitit has SIGUSR2 sent to itself ahead of a time limit; its handler requeues the job and exits at once. Here
    the run first finishes its segment and writes a checkpoint.

    Args:
        work: gets the function to ask at segment boundaries for a signal that the run is to obey.
    """
    theirs = signal.getsignal(signal.SIGUSR2) if hasattr(signal, "SIGUSR2") else None  # Windows lacks it
    if not callable(theirs):
        work(lambda: None)
        return
    caught: list[int] = []
    signal.signal(signal.SIGUSR2, lambda number, frame: caught.append(number))
    try:
        work(lambda: caught[0] if caught else None)
    except Interrupted as stop:
        if stop.number != signal.SIGUSR2:
            raise
        theirs(signal.SIGUSR2, None)
    finally:
        signal.signal(signal.SIGUSR2, theirs)
