"""`artbp-verify`: is this configuration's gradient, on average, that of full BPTT? Exit code 0 where that is shown."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from artbp_exp import checks
from artbp_exp.cli import config as conf
from artbp_exp.run_config import RunConfig


def verify(chosen: RunConfig, own: dict[str, Any], *, written: set[Path]) -> int:
    """Certifies as `own` says, prints, and writes the CSV: 0 if all is as it should be, else 1.

    The tables in `written` are added to: the configurations of `-m` share one unless each names its own.
    """
    # torch takes a second to load: not before it is needed
    from artbp_exp.verification.everything.sweep import sweep
    from artbp_exp.verification.report import one

    path = Path(checks.text("verify.csv", own["csv"]))
    if checks.flag("verify.everything", own["everything"]):
        return 0 if sweep(own["steps"], path, threads=chosen.threads) else 1
    done = one(chosen, own, path, below=path in written)
    written.add(path)
    return 0 if done else 1


def main() -> None:
    """Entry point: 0 certified, 1 not (refuted, or not tested), 2 a mistake in the settings."""
    conf.run_each("verify", partial(verify, written=set()), conf.arguments(sys.argv[1:]))


if __name__ == "__main__":
    main()
