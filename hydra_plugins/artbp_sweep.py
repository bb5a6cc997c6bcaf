"""The launcher that `artbp-run` puts around the chosen one. Hydra accepts launchers from `hydra_plugins` only."""

from collections.abc import Sequence
from copy import deepcopy

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, flag_override


class SweepLauncher(Launcher):
    """Hands each batch of jobs to the sweep, which runs with the chosen launcher what has no result yet."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Makes the chosen launcher; see Hydra's `Launcher`."""
        from artbp_exp.cli.sweep.sweep import Sweep

        (self._sweep,) = (found for found in hydra_context.callbacks.callbacks if isinstance(found, Sweep))
        self._context, self._config = hydra_context, deepcopy(config)
        with flag_override(self._config, ["struct", "readonly"], False):
            self._config.hydra.launcher = self._sweep.launcher
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=self._config
        )

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs a batch; see Hydra's `Launcher`."""
        compose = self._context.config_loader.load_sweep_config
        batch = [(overrides, compose(self._config, list(overrides))) for overrides in job_overrides]
        return self._sweep.launch(self._launcher, batch, initial_job_idx)
