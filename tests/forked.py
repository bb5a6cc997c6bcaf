"""Commands in forks of a process that has loaded torch and them: a start takes a tenth of a second, and not three."""

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from artbp_exp.cli.sweep.isolate import preload
from tests.conftest import ROOT

COMMANDS = ("run", "verify", "diagnose")
LOADED = (
    "artbp_exp.autograd.fused.compiled",
    "artbp_exp.training.experiment",
    "artbp_exp.runs.folder",
    "artbp_exp.diagnosis.run.diagnose",
    "artbp_exp.verification.report",
    "artbp_exp.evidence.figures.diagnosis",
    *(f"artbp_exp.cli.{name}" for name in COMMANDS),
)
SECONDS = 900
"""After which a command is killed."""
LEFT_OVER = 1000
"""Added to the status where processes of a command outlive it by `PATIENCE` seconds."""
PATIENCE = 20.0


def forked(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Executes Python code as a process of its own, in `folder` and with `arguments` on its command line."""
    with TemporaryDirectory() as where:
        out, err = Path(where) / "out", Path(where) / "err"
        files = {"folder": str(folder), "out": str(out), "err": str(err)}
        request = {"code": code, "argv": ["artbp", *arguments], "environment": dict(os.environ), **files}
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        with suppress(BrokenPipeError):
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
        status = server.stdout.readline()
        if not status:
            _server.cache_clear()
            raise RuntimeError(f"the process that is to be forked has ended with {server.wait()}")
        texts = [path.read_text(encoding="utf-8") for path in (out, err)]
    return subprocess.CompletedProcess([code, *arguments], int(status), *texts)


def artbp(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`artbp-NAME arguments`, in `folder`."""
    return forked(f"from artbp_exp.cli.{name} import main; main()", *arguments, folder=folder)


@cache
def _server() -> "subprocess.Popen[str]":
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forked"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)  # ends it
    return server


def _serve() -> None:
    for module in LOADED:
        importlib.import_module(module)
    preload()
    gc.freeze()  # or each child would look through all of torch when it ends
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(**json.loads(line))
            return  # and out, as any program: atexit, threads, warnings of files that are open
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status if _gone(child) else status + LEFT_OVER, flush=True)


def _become(*, code: str, argv: list[str], environment: dict[str, str], folder: str, out: str, err: str) -> None:
    os.setsid()
    signal.alarm(SECONDS)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, out), (2, err)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update({**environment, "OMP_NUM_THREADS": "1"})
    np.random.seed()  # noqa: NPY002  # or every fork would draw the same
    warnings.simplefilter("error", ResourceWarning)
    sys.argv, sys.path[0] = argv, folder
    exec(code, {})


def _gone(group: int) -> bool:
    """Whether all processes of a group end in time; kills them if not."""
    until = time.monotonic() + PATIENCE
    with suppress(ProcessLookupError):
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(0.02)
        os.killpg(group, signal.SIGKILL)
        return False
    return True


if __name__ == "__main__":
    _serve()
