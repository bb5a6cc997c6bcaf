"""One run: train, record, checkpoint, and continue where an earlier process stopped."""

import math
import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from artbp_exp import registry
from artbp_exp.cli.errors import one_line
from artbp_exp.cli.signals import Interrupted, Signals, Stop, handled
from artbp_exp.errors import UserError
from artbp_exp.loggers.base import Logger
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.identity import labels
from artbp_exp.runs.overwrite_guard import overwrites

if TYPE_CHECKING:  # torch takes a second to load: not before it is needed
    from artbp_exp.runs.folder import RunFolder
    from artbp_exp.training.experiment import Experiment


def run(config: RunConfig, *, command: str, in_sweep: bool = False, stop: Stop = lambda: None) -> dict[str, Any]:
    """Trains as `config` says, records, prints the result, and returns the summary.

    Args:
        config: the run's.
        command: repeats this run; recorded.
        in_sweep: the run is one of many: no progress bar, patience with a process that is about to leave the folder,
            and a mistake in the settings is written into the folder.
        stop: asked at segment boundaries.

    Raises:
        UserError: a setting is wrong, or the folder cannot take the run.
        Interrupted: a signal came; the run is checkpointed, and the same call continues it.
    """
    from artbp_exp.runs.folder import RunFolder
    from artbp_exp.training.experiment import Experiment

    config = replace(config, overwrite=overwrites(config))
    folder = RunFolder(config)
    patience = 15.0 if in_sweep else 1.0
    taken = False

    def take() -> None:
        nonlocal taken
        folder.take(patience=patience)
        taken = True

    def already() -> dict[str, Any] | None:
        return None if config.overwrite else folder.finished()

    try:
        done = already()
        if done is None and (in_sweep or folder.path.exists()):
            take()
            # its last holder may have finished it
            done = already()
        if done is None:
            experiment = Experiment(config)
            # built before the folder is made: a tracker that is not installed leaves nothing behind
            logger = registry.build("logger", config.logger, folder=folder.path)
            if not taken:
                take()
                # another process may have made the folder meanwhile, and used it
                done = already()
            if done is None:
                return Job(config, folder, experiment, logger, command=command, quiet=in_sweep, stop=stop).run()
        folder.tidy()
        print(f"already {done['status']}, nothing to do (overwrite=true does it again)\n{folder.path}")
        return done
    except Exception as error:
        if taken and (in_sweep or folder.begun):
            reason = one_line(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            folder.leave({"status": "failed", "reason": reason, **labels(config), "command": command})
        raise
    finally:
        folder.release()


def mark_failed(config: RunConfig, reason: str) -> None:
    """Writes why a run failed whose process could not do so, unless another process has the folder by now."""
    from artbp_exp.runs.folder import RunFolder

    folder = RunFolder(config)
    with suppress(UserError):
        if folder.finished() is None:
            folder.take()
            folder.leave({"status": "failed", "reason": reason, **labels(config)})
    folder.release()


class Job:
    """A run whose folder is held and whose settings are good."""

    def __init__(
        self,
        config: RunConfig,
        folder: "RunFolder",
        experiment: "Experiment",
        logger: Logger,
        *,
        command: str,
        quiet: bool,
        stop: Stop,
    ) -> None:
        from artbp_exp.runs.provenance import provenance

        self._config, self._folder, self._experiment = config, folder, experiment
        self._quiet, self._stop = quiet, stop
        self._rows: list[dict[str, Any]] = []
        self._starts = 1
        self._logger = logger
        self._origin = provenance(command=command, device=experiment.device)
        minutes = config.checkpoint_minutes
        self._interval = math.inf if minutes is None else 60.0 * minutes
        self._due = 0.0
        self._signals = Signals()

    def run(self) -> dict[str, Any]:
        """See `run`."""
        began = time.perf_counter()
        folder, trainer = self._folder, self._experiment.trainer
        with handled(self._signals.note):
            self._begin()
            self._logger.start(self._config.plain())
            before = trainer.progress.seconds
            with self._bar() as bar:
                tick = bar.update if bar is not None else lambda steps: None
                while not trainer.done:
                    self._due = time.monotonic() + self._interval
                    for record in trainer.run(tick=tick, pause=self._pause):
                        folder.write_row(record.row)
                        self._logger.row(record.row)
                        self._rows.append(record.row)
                        if record.best:
                            folder.write_model(self._experiment.model.state_dict())
                        if record.pass_end and not trainer.done:
                            self._save()
                    if not trainer.done:
                        self._save()
                        self._leave_if_asked()
            task = self._experiment.task
            status = "diverged" if trainer.progress.diverged else "finished"
            seconds = before + time.perf_counter() - began
            summary = {"status": status, **labels(self._config), **task.summary(self._rows), **self._how(seconds)}
            folder.close(summary, trainer.progress.lengths)
            self._logger.close(summary)
        print(f"{status}: {task.headline(summary)}\n{folder.path}")
        return summary

    def _begin(self) -> None:
        """Starts the run's files, or goes on with those of an interrupted one."""
        folder, task, columns = self._folder, self._experiment.task, self._experiment.trainer.columns
        state = None if self._config.overwrite else folder.resume(columns, task.data_sha256)
        if state is None:
            folder.open(columns, task.data_sha256)
            return
        try:
            self._experiment.trainer.load_state_dict(state["run"])
            self._rows, self._starts = state["rows"], state["starts"] + 1
            changed = {
                key: state["origin"][key]
                for key in ("versions", "git_commit", "device", "threads")
                if state["origin"][key] != self._origin[key]
            }
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"the checkpoint in {folder.path} does not fit this version of the program; "
                f"overwrite=true starts from the beginning"
            ) from error
        for key, old in changed.items():
            print(
                f"warning: {folder.path} was begun with {key} {old} and goes on with {self._origin[key]}: "
                f"the result may differ from that of an uninterrupted run",
                file=sys.stderr,
            )

    def _bar(self) -> Any:
        if self._quiet:
            return nullcontext()  # not a disabled bar of tqdm: it holds a semaphore, which a killed process leaks
        task, config = self._experiment.task, self._config
        return tqdm(
            total=task.steps * task.passes,
            initial=self._experiment.trainer.progress.step,
            desc=f"{task.name} {config.method.name} seed {config.seed}",
            unit="step",
            unit_scale=True,
            disable=None,
        )

    def _pause(self) -> bool:
        if self._signals.caught is None and (number := self._stop()) is not None:
            self._signals.note(number)
        # monotonic: setting the clock neither hastens nor delays a checkpoint
        return self._signals.caught is not None or time.monotonic() >= self._due

    def _save(self) -> None:
        self._folder.save(
            {
                "run": self._experiment.trainer.state_dict(),
                "rows": self._rows,
                "starts": self._starts,
                "origin": self._origin,
            }
        )

    def _leave_if_asked(self) -> None:
        number = self._signals.caught
        if number is None:
            return
        progress = self._experiment.trainer.progress
        stop = Interrupted(
            number, f" at step {progress.step}; the same command continues from there\n{self._folder.path}"
        )
        reason = str(stop).splitlines()[0]
        summary = {"status": "interrupted", "reason": reason, **labels(self._config), "steps": progress.step}
        self._folder.leave({**summary, **self._how(progress.seconds)})
        raise stop

    def _how(self, seconds: float) -> dict[str, Any]:
        """How the run came to be; `starts` counts the processes it took."""
        from artbp_exp.runs.provenance import peak_memory

        memory = round(peak_memory(self._experiment.device) / 2**20, 1)
        method, episode = self._experiment.method, self._experiment.task.episode
        return {
            **self._origin,
            "engine": method.engine,
            "stored_numbers": method.stored_numbers(episode),
            "starts": self._starts,
            "peak_memory_mib": memory,
            "wall_seconds": seconds,
        }
