"""Runs the recipes of the committed evidence that a make target stands for; what is finished is skipped.

python scripts/run_evidence.py 'make evidence'
"""

import shlex
import subprocess
import sys
from pathlib import Path

from artbp_exp.evidence.experiments import EXPERIMENTS
from artbp_exp.evidence.recipe import recipe


def main() -> None:
    """Runs the commands one after the other, and stops at the first that fails."""
    targets = sorted({experiment.made_by for experiment in EXPERIMENTS if experiment.recipes})
    if len(sys.argv) != 2 or sys.argv[1] not in targets:
        raise SystemExit(f"name one of {', '.join(map(repr, targets))}")
    for experiment in EXPERIMENTS:
        for name in experiment.recipes if experiment.made_by == sys.argv[1] else ():
            for command in recipe(name).commands:
                print(command, flush=True)
                program, *arguments = shlex.split(command)
                done = subprocess.run([Path(sys.executable).with_name(program), *arguments], check=False)
                if done.returncode:
                    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
