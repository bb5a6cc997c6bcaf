"""What a run is: one frozen configuration, made where Hydra stops."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from artbp_exp import checks
from artbp_exp.errors import UserError


class Choice(Mapping[str, Any]):
    """A member of a group of `conf/` and its settings, read-only: `name`, and what the member's yaml holds."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    @property
    def name(self) -> str:
        """Name of the member."""
        return str(self._values["name"])

    def but(self, **changes: Any) -> "Choice":
        """Returns the choice with some settings changed."""
        return Choice(self._values | changes)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Choice({self._values})"


DEVICES = ("auto", "cpu", "cuda")
MOST_THREADS = 1024
NOTHING = Choice({"name": "none"})
OPTIONAL = {"boundary": NOTHING, "auxiliary": NOTHING, "logger": NOTHING}
"""Groups that a configuration may leave out."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a run.

    Attributes:
        model: what is trained.
        optimizer: with its learning rate.
        method: how a gradient is estimated.
        boundary: what is put at a cut.
        auxiliary: a loss besides the task's.
        logger: where the run is shown while it trains.
        task: data, loss and metrics.
        seed: of the weights, the data and the cuts.
        engine: `auto`, `plain`, `fused` or `vendor`.
        precision: `auto`, `float32`, `bfloat16` or `float64`.
        device: `auto`, `cpu` or `cuda`.
        threads: of torch; None leaves torch's choice, one a core.
        results_dir: root of the run folders.
        run_dir: the run's folder; None names it after the settings.
        overwrite: do a finished run again.
        checkpoint_minutes: between checkpoints; None: at the end of each pass only.
        optimized_metric: number of the summary that a sweeper minimises; None: validation bits per character or
            validation loss, or the loss.
        usual: identity of the configuration with nothing set but the task and the method; the folder's name says what
            differs from it.
    """

    model: Choice
    optimizer: Choice
    method: Choice
    boundary: Choice = NOTHING
    auxiliary: Choice = NOTHING
    logger: Choice = NOTHING
    task: Choice
    seed: int
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    threads: int | None = 1
    results_dir: str = "results/runs"
    run_dir: str | None = None
    overwrite: bool = False
    checkpoint_minutes: float | None = None
    optimized_metric: str | None = None
    usual: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, usual: Mapping[str, Any] | None = None) -> "RunConfig":
        """Makes it from plain containers, as `config.yaml` of a run folder holds them.

        Args:
            settings: of a run. Paths may begin with `~`.
            usual: see the attribute.

        Raises:
            UserError: one of them has another type than it should have.
        """
        checkpoint = settings.get("checkpoint", {"minutes": None})
        if not isinstance(checkpoint, Mapping) or set(checkpoint) != {"minutes"}:
            raise UserError(f"checkpoint has one setting, minutes; got {checkpoint!r}")
        minutes, run_dir, metric = checkpoint["minutes"], settings.get("run_dir"), settings.get("optimized_metric")
        return cls(
            **{group: _choice(group, settings) for group in GROUPS},
            seed=checks.whole("seed", settings["seed"]),
            engine=checks.text("engine", settings.get("engine", "auto")),
            precision=checks.text("precision", settings.get("precision", "auto")),
            device=checks.choice("device", settings.get("device", "auto"), DEVICES),
            threads=_threads(settings.get("threads", 1)),
            results_dir=checks.path("results_dir", settings.get("results_dir", "results/runs")),
            run_dir=None if run_dir is None else checks.path("run_dir", run_dir),
            overwrite=checks.flag("overwrite", settings.get("overwrite", False)),
            checkpoint_minutes=None if minutes is None else checks.number("checkpoint.minutes", minutes, at_least=0),
            optimized_metric=None if metric is None else checks.text("optimized_metric", metric),
            usual=usual or {},
        )

    def plain(self) -> dict[str, Any]:
        """Returns the settings as plain containers: the contents of `config.yaml`."""
        return {
            **{group: dict(getattr(self, group)) for group in GROUPS},
            **{name: getattr(self, name) for name in UNGROUPED},
            "checkpoint": {"minutes": self.checkpoint_minutes},
            "optimized_metric": self.optimized_metric,
        }


GROUPS = ("model", "optimizer", "method", "boundary", "auxiliary", "logger", "task")
"""In the order in which a run folder's name tells them."""


UNGROUPED = ("seed", "engine", "precision", "device", "threads", "results_dir", "run_dir", "overwrite")
"""Settings that belong to no group, and are in `config.yaml` as they are here."""


def _choice(group: str, everything: Mapping[str, Any]) -> Choice:
    settings = everything.get(group, OPTIONAL.get(group))
    if not isinstance(settings, Mapping):
        raise UserError(f"{group} must be a choice with settings of its own; got {settings!r}")
    checks.text(f"{group}.name", settings.get("name"))
    found = Choice(settings)
    folder = settings.get("data_dir")
    return found.but(data_dir=checks.path(f"{group}.data_dir", folder)) if isinstance(folder, str) else found


def _threads(wanted: Any) -> int | None:
    """`threads`; None for torch's choice.

    Raises:
        UserError: it is not a whole number from 1 to `MOST_THREADS`, beyond which torch may take the process down.
    """
    if wanted is None:
        return None
    threads = checks.whole("threads", wanted, at_least=1)
    if threads > MOST_THREADS:
        raise UserError(f"threads must be at most {MOST_THREADS}; got {threads}: take as many as there are cores")
    return threads


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested settings with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
