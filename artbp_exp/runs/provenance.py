"""How a run came to be: code, versions, machine."""

import math
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from artbp_exp import __version__


def provenance(*, command: str, device: torch.device) -> dict[str, Any]:
    """What to write beside a result so that it can be reproduced: `command` repeats this one run.

    Ask at the start of a run: code changes.
    """
    return {
        "command": command,
        **_git(Path(__file__).parent),
        "versions": {
            "artbp_exp": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "hydra-core", "omegaconf")},
        },
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
    }


def peak_memory(device: torch.device) -> float:
    """Peak memory so far, bytes: of the process (resident), or of torch on a CUDA device.

    It is nan where the operating system does not tell (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        # getrusage would also count what the parent had when it started this process
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ModuleNotFoundError:
        return math.nan
    # kilobytes on Linux, bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _git(folder: Path) -> dict[str, Any]:
    """Commit and dirty flag of the checkout that this package runs from; None outside a checkout."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    # a package installed inside somebody else's repository is not of that repository
    if git("ls-files", "--error-unmatch", str(Path(__file__))) is None:
        return {"git_commit": None, "git_dirty": None}
    dirty = git("status", "--porcelain", "--untracked-files=no", "--", ":/artbp_exp", ":/conf")
    return {"git_commit": git("rev-parse", "HEAD"), "git_dirty": bool(dirty)}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
