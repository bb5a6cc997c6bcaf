"""A Slurm cluster of one node, this machine, for tests: no systemd, no accounting, gone when it is left."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")

# submitit asks sacct, which needs an accounting database; the controller remembers the same (MinJobAge)
SACCT = """#!/bin/sh
echo 'JobID|State|NodeList'
exec squeue --noheader --array --states=all --format='%i|%T|%N'
"""

CONF = """ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=5
MpiDefault=none
ReturnToService=2
MinJobAge=3600
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def install() -> None:
    """Installs Debian's Slurm where it is missing.

    Raises:
        SystemExit: it is missing and cannot be installed.
    """
    if all(shutil.which(program) for program in ("slurmctld", "slurmd", "sbatch", "munged")):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit(f"Slurm is not installed: as root on Debian or Ubuntu, apt-get install {' '.join(PACKAGES)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Starts the cluster and stops it at the end; jobs that still run are killed with it.

    Yields:
        Environment in which `sbatch` and its like reach it.

    Raises:
        SystemExit: not root, or no node comes up.
    """
    if os.geteuid() != 0:
        raise SystemExit("slurmd starts jobs as their users: run this as root (in a container or on a spare machine)")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)  # munge wants its socket within reach of all users; the key is root's alone
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    sacct = folder / "bin/sacct"
    sacct.write_text(SACCT)
    sacct.chmod(0o755)
    host = socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    filled = CONF.format(host=host, folder=folder, cpus=os.cpu_count(), memory=memory - 64)
    (folder / "slurm.conf").write_text(filled)
    environment = {
        **os.environ,
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}:/usr/sbin",
    }
    munge = {name: str(folder / f"munge.{name}") for name in ("socket", "pid", "log", "seed")}
    daemons = []
    try:
        for command in (
            ["munged", "--foreground", f"--key-file={key}", f"--socket={munge['socket']}"]
            + [f"--{name}-file={munge[name]}" for name in ("pid", "log", "seed")],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D", "-N", host],
        ):
            with (folder / f"{command[0]}.out").open("wb") as log:
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            if command[0] == "munged":
                _wait(lambda: Path(munge["socket"]).exists(), "munged", folder)
        _wait(lambda: ask(environment, "sinfo", "--noheader", "--format=%T") == "idle", "the node", folder)
        yield environment
    finally:
        ask(environment, "scancel", "--full", "--signal=KILL", "--user=root")
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=30)
    shutil.rmtree(folder)


def ask(environment: dict[str, str], *command: str) -> str:
    """What a Slurm command prints, without the spaces around it; nothing where it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


def _wait(ready: object, what: str, folder: Path, seconds: float = 60) -> None:
    assert callable(ready)
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            logs = "\n".join(path.read_text(errors="replace")[-500:] for path in folder.glob("*.out"))
            raise SystemExit(f"{what} did not come up within {seconds:g} s:\n{logs}")
        time.sleep(0.2)
