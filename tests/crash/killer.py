"""Kills short runs again and again and resumes them: in forks of a process that has the compiled kernels.

python -m tests.crash.killer FOLDER CORPUS random 30     at random instants
python -m tests.crash.killer FOLDER CORPUS operation     at every operation on a file
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import torch

from artbp_exp.cli import config as conf
from artbp_exp.cli.sweep.isolate import preload
from tests.crash.faults import Faults, killed
from tests.crash.runs import do, left_over, result, short


def forked(work: Callable[[], Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wait(pid: int, seconds: float) -> bool:
    """Waits so long, or until the process has ended, which it returns; leaves it to be reaped."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(min(0.005, max(0.0, until - time.monotonic())))
    return False


def compare(folder: Path, wanted: dict[str, Any], when: str) -> None:
    if result(folder) != wanted or left_over(folder):
        raise SystemExit(f"{folder.name}, killed {when}: differs from the uninterrupted run {left_over(folder)}")


def at_random_instants(root: Path, corpus: Path, count: int) -> None:
    rng = random.Random(0)
    wanted, seconds = {}, {}
    # at every segment; every few; at the ends of passes only
    variants = [("ptb", "0"), ("ptb", "0.0005"), ("ptb", "null"), ("synthetic", "0"), ("synthetic", "0.0005")]
    for task, minutes in variants:
        folder = root / f"{task}-{minutes}"
        config = short(task, folder, corpus, f"checkpoint.minutes={minutes}")
        began = time.monotonic()
        assert ended(forked(lambda: do(config))) == 0  # noqa: B023
        seconds[task, minutes], wanted[task] = time.monotonic() - began, result(folder)
    kills = 0
    while kills < count:
        task, minutes = variants[kills % len(variants)]
        folder = root / f"run{kills}"
        settings = short(task, folder, corpus, f"checkpoint.minutes={minutes}")
        pid = forked(lambda: do(settings))  # noqa: B023
        instant = rng.uniform(0, seconds[task, minutes])
        over = wait(pid, instant)
        if not over:
            os.kill(pid, signal.SIGKILL)
        code = ended(pid)
        again = ended(forked(lambda: do(settings)))  # noqa: B023
        assert again == 0, f"killed after {instant:.3f} s: going on gave exit code {again}"
        compare(folder, wanted[task], f"after {instant:.3f} s")
        # one that was faster than the kill proves nothing, and is done again
        kills += code == -signal.SIGKILL
        if code != -signal.SIGKILL:
            seconds[task, minutes] = 0.9 * min(instant, seconds[task, minutes])
            folder.rename(folder.with_name(f"{folder.name}-too-fast-{time.monotonic()}"))
    print(f"{kills} of {count}")


def at_every_operation(root: Path, corpus: Path) -> None:
    reference = root / "reference"
    assert ended(forked(lambda: do(short("ptb", reference, corpus, "task.epochs=2")))) == 0
    wanted = result(reference)
    at = 0
    while True:
        at += 1
        settings = short("ptb", root / f"run{at}", corpus, "task.epochs=2")

        def work() -> None:
            with Faults(at, killed).installed():  # noqa: B023
                do(settings)  # noqa: B023

        code = ended(forked(work))
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
        assert ended(forked(lambda: do(settings))) == 0, f"operation {at}"  # noqa: B023
        compare(root / f"run{at}", wanted, f"at operation {at}")
    print(f"{at - 1} operations")


if __name__ == "__main__":
    folder, corpus, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    from artbp_exp.runs import provenance

    provenance._git = lambda folder: {"git_commit": None, "git_dirty": None}  # asking git takes longer than the run
    preload()
    torch.set_num_threads(1)  # a fork could not use the threads of its parent
    with hydra.initialize_config_dir(conf.directory(), version_base="1.3"):
        for task in ("ptb", "synthetic"):
            do(short(task, folder / f"warm-{task}", corpus))
        if what == "random":
            at_random_instants(folder, corpus, int(sys.argv[4]))
        else:
            at_every_operation(folder, corpus)
