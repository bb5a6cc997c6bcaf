"""Commands in forks of a process that has loaded torch and them: a start takes a tenth of a second, and not three."""

import atexit
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.conftest import ROOT

COMMANDS = ("run", "verify", "diagnose")
LOADED = (
    "torch.utils.checkpoint",
    "artbp_exp.autograd.fused.compiled",
    "artbp_exp.training.experiment",
    "artbp_exp.runs.folder",
    "artbp_exp.diagnosis.run",
    "artbp_exp.verification.report",
    "artbp_exp.evidence.figures.diagnosis",
    *(f"artbp_exp.cli.{name}" for name in COMMANDS),
)
SECONDS = 900
"""After which a command is killed."""


def forked(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Executes Python code as a process of its own in `folder`, and its command line being `arguments`."""
    with TemporaryDirectory() as where:
        out, err = Path(where) / "out", Path(where) / "err"
        request = {"code": code, "argv": list(arguments), "folder": str(folder), "out": str(out), "err": str(err)}
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        texts = [path.read_text(encoding="utf-8") for path in (out, err)]
    return subprocess.CompletedProcess([code, *arguments], status, *texts)


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
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(request: dict[str, Any]) -> None:
    signal.alarm(SECONDS)
    os.chdir(request["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT, 0o600), number)
    warnings.simplefilter("error", ResourceWarning)
    sys.argv = ["artbp", *request["argv"]]
    status = 0
    try:
        exec(request["code"], {})
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
