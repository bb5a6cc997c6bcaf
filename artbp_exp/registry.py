"""Finds methods, tasks, models, optimisers and loggers by file name: a new one is one file and one yaml.

`conf/method/tbptt.yaml` says `name: tbptt`; the module `artbp_exp/truncation/tbptt.py` defines `build(*, length)`. The
yaml's other keys are that function's keyword arguments. There is no list to keep, and a name can only ever reach a
module of this package (a configuration cannot import anything else). Only the module that is asked for is imported.
"""

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from artbp_exp.checks import settings_of
from artbp_exp.errors import UserError, nearest

SCHEMES = "artbp_exp.truncation"
"""Package of the methods that are truncation schemes."""

PACKAGES = {
    "method": (SCHEMES, "artbp_exp.methods", "artbp_exp.methods.online"),
    "task": ("artbp_exp.tasks",),
    "model": ("artbp_exp.models",),
    "boundary": ("artbp_exp.methods.boundaries",),
    "auxiliary": ("artbp_exp.methods.auxiliaries",),
    "optimizer": ("artbp_exp.optimizers",),
    "logger": ("artbp_exp.loggers",),
}
"""Group of `conf/` → packages that hold its members; a method is a truncation scheme or one of its own kind."""


def directory() -> Path:
    """Absolute path of the yaml files: packaged along in an installation, beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    packaged = package / "conf"
    return packaged if (packaged / "config.yaml").is_file() else package.parent / "conf"


def names(group: str, *, package: str | None = None) -> list[str]:
    """Lists the members of `group` (a key of `PACKAGES`): the yaml files of its folder. Imports none of them.

    Args:
        group: see above.
        package: lists only those whose module is in it: `SCHEMES` has the methods that are truncation schemes.
    """
    found = sorted(path.stem for path in (directory() / group).glob("*.yaml"))
    return [name for name in found if package is None or importlib.util.find_spec(f"{package}.{name}") is not None]


def builder(group: str, name: str) -> Callable[..., Any]:
    """Returns the `build` function of member `name` of `group`.

    Raises:
        UserError: there is no such member; names the nearest.
    """
    if name not in names(group):
        raise UserError(f"{group}={name} is not known; {nearest(str(name), names(group))}")
    for package in PACKAGES[group]:
        if importlib.util.find_spec(f"{package}.{name}") is not None:
            build: Callable[..., Any] = importlib.import_module(f"{package}.{name}").build
            return build
    raise UserError(
        f"conf/{group}/{name}.yaml has no module {name} in {' or '.join(PACKAGES[group])}: add it, with build(…)"
    )


def build(group: str, settings: Mapping[str, Any], *, offered: Mapping[str, Any] | None = None, **context: Any) -> Any:
    """Builds the member that `settings["name"]` names from its other settings.

    Args:
        group: a key of `PACKAGES`.
        settings: `name`, and keyword arguments of that member's `build`.
        offered: what the program (not the user) hands in if this member takes it.
        context: what the program hands in, and every member takes: random streams, shapes.

    Raises:
        UserError: an unknown name or key, or a value that `build` refuses.
    """
    name = settings.get("name", "")
    make = builder(group, name)
    parameters = inspect.signature(make).parameters
    taken = {key: value for key, value in (offered or {}).items() if key in parameters}
    known = set(parameters) - set(context) - set(taken)
    given = {key: value for key, value in settings.items() if key not in ("name", "suggest")}
    for key in given:
        if key not in known:
            raise UserError(f"{group}.{key} is not a setting of {group}={name}; {nearest(key, known)}")
    needed = {key for key, p in parameters.items() if p.default is p.empty}
    missing = sorted(needed - set(given) - set(context) - set(taken))
    # what the program hands in but this member does not take, or takes but is not handed: they do not go together
    if missing or not set(context) <= set(parameters):
        raise UserError(_misfit(group, name, missing, context))
    with settings_of(group):
        return make(**given, **context, **taken)


def _misfit(group: str, name: str, missing: list[str], context: Mapping[str, Any]) -> str:
    """What is lacking, or does not go together, and what would."""
    if not context:
        return f"{group}={name} needs {' and '.join(f'{group}.{key}' for key in missing)}; give it a value"
    own, known = set(inspect.signature(builder(group, name)).parameters), set(context)
    why = f"has no use for the task's {', '.join(sorted(known - own))}"
    if missing:
        why = f"needs {', '.join(missing)}, which neither its settings nor the task give"
    others = [name for name in names(group) if known <= set(inspect.signature(builder(group, name)).parameters)]
    fitting = " or ".join(other for other in others if other != name)
    return f"{group}={name} {why}; take {group}={fitting}, or another task"
