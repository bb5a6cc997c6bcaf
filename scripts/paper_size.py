"""Runs the authors' setting on a GPU, several runs side by side, for as long as there is: python scripts/paper_size.py

Starts every command of the recipe `ptb_paper` for each seed, a few at a time, and stops them all when the time is over:
each has written a checkpoint by then, and the same command goes on from there. `--device cpu` with settings such as
`model.hidden_size=8 task.epochs=1` tries the script itself.
"""

import argparse
import shlex
import signal
import subprocess
import sys
import time

import torch

from artbp_exp.evidence.recipe import recipe

GRACE = 60
"""Seconds in which a stopped run writes its checkpoint."""


def main() -> int:
    """Runs the recipe's commands; 0 where all finished, 1 where some have still to go on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: cuda)")
    parser.add_argument("--seeds", default="0,1,2", help="separated by commas (default: 0,1,2)")
    parser.add_argument("--jobs", type=int, default=6, help="runs at a time (default: 6)")
    parser.add_argument("--minutes", type=float, default=8.0, help="when all are stopped (default: 8)")
    parser.add_argument("settings", nargs="*", help="further settings of every run, such as task.epochs=5")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU is available here; try the script with --device cpu model.hidden_size=8", file=sys.stderr)
        return 2
    end = time.monotonic() + 60 * options.minutes
    waiting = [[*command, f"device={options.device}", *options.settings] for command in _commands(options.seeds)]
    running: list[subprocess.Popen[bytes]] = []
    codes: list[int] = []
    while (waiting or running) and time.monotonic() < end:
        while waiting and len(running) < options.jobs:
            running.append(subprocess.Popen(waiting.pop(0)))
        time.sleep(0.2)
        codes += [process.returncode for process in running if process.poll() is not None]
        running = [process for process in running if process.returncode is None]
    for process in running:
        process.send_signal(signal.SIGINT)
    for process in running:
        codes.append(process.wait(GRACE))
    print(f"{codes.count(0)} finished, {len(codes) - codes.count(0)} stopped or failed, {len(waiting)} not begun")
    return 0 if not waiting and not any(codes) else 1


def _commands(seeds: str) -> list[list[str]]:
    """One for each method, setting and seed of the recipe, seed by seed."""
    program = (sys.executable, "-m", "artbp_exp.cli.run")
    found: dict[tuple[str, ...], None] = {}
    for seed in seeds.split(","):
        for command in recipe("ptb_paper").commands:
            if "results_dir=" in command:  # the epoch in float32: no arm
                continue
            given = [word for word in shlex.split(command)[1:] if word != "-m" and not word.startswith("seed=")]
            (method,) = [word for word in given if word.startswith("method=")]
            for name in method.removeprefix("method=").split(","):
                others = [word for word in given if word != method]
                found[(*program, *others, f"method={name}", f"seed={seed}")] = None
    return [list(command) for command in found]


if __name__ == "__main__":
    sys.exit(main())
