"""The jobs of a sweep: planned without running them, and judged by their folders."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.cli.config import run_config
from artbp_exp.cli.errors import one_line
from artbp_exp.errors import UserError, nearest
from artbp_exp.run_config import Choice, RunConfig
from artbp_exp.runs.identity import run_folder
from artbp_exp.runs.status import data_sha256, read_summary, state

METRICS = ("valid_bpc", "valid_loss", "loss")
"""What a sweeper minimises unless `optimized_metric` names another number: the first that a summary has."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A job of a sweep: what it sets, and its run; None where its settings are wrong, and what is wrong with them."""

    overrides: tuple[str, ...]
    config: RunConfig | None
    error: str = ""

    @property
    def folder(self) -> Path | None:
        """Where its run belongs."""
        return None if self.config is None else run_folder(self.config)

    def state(self) -> tuple[str, str]:
        """(status, reason), read from its folder; see `runs.status.state`."""
        return ("failed", self.error) if self.config is None else state(self.config, checksums=_checksums)

    def score(self) -> float:
        """The number that a sweeper minimises; infinite where the run has none, because it failed or diverged."""
        if self.config is None or self.state()[0] != "finished":
            return math.inf
        summary = read_summary(run_folder(self.config)) or {}
        numbers = [key for key, value in summary.items() if isinstance(value, int | float)]
        wanted = self.config.optimized_metric
        if wanted is not None and wanted not in summary:
            raise UserError(
                f"optimized_metric={wanted} is not in {self.folder}/summary.json; {nearest(wanted, numbers)}"
            )
        found = [summary[key] for key in ([wanted] if wanted else METRICS) if isinstance(summary.get(key), int | float)]
        return float(found[0]) if found else math.inf


def planned(overrides: Sequence[str], composed: DictConfig) -> Planned:
    """Returns the job that a composed configuration describes."""
    settings = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    try:
        return Planned(overrides=tuple(overrides), config=run_config(settings))
    except (UserError, OmegaConfBaseException) as error:
        return Planned(overrides=tuple(overrides), config=None, error=one_line(error))


def table(jobs: Sequence[Planned], states: Sequence[tuple[str, str]]) -> str:
    """How many jobs ended how, and which did not get their result, and why."""
    counts = Counter(status for status, _ in states)
    lines = [f"{len(jobs)} jobs: " + ", ".join(f"{count} {status}" for status, count in counts.most_common())]
    for job, (status, reason) in zip(jobs, states, strict=True):
        if status != "finished":
            where = job.folder or " ".join(job.overrides)
            lines.append(f"  {status:<11} {where}" + (f": {reason}" if reason else ""))
    return "\n".join(lines)


@cache
def _checksums(task: Choice) -> Mapping[str, str]:
    """`data_sha256`, once a process for each task: a sweep asks for every job, again and again."""
    return data_sha256(task)
