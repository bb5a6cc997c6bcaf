"""Finds schemes, tasks, models, optimisers and loggers by file name: a new one is one file and one yaml.

`conf/method/tbptt.yaml` says `name: tbptt`; the module `artbp_exp/truncation/methods/tbptt.py` defines
`build(*, length)`. The yaml's other keys are that function's keyword arguments. There is no list to
keep, and a name can only ever reach a module of this package (a config cannot import anything else).
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from artbp_exp.errors import UserError, nearest

PACKAGES = {
    "method": "artbp_exp.truncation.methods",
    "task": "artbp_exp.tasks",
    "model": "artbp_exp.models",
    "optimizer": "artbp_exp.optimizers",
    "logger": "artbp_exp.loggers",
}


def names(group: str) -> list[str]:
    """Lists the members of `group` (a key of `PACKAGES`): modules with a `build`."""
    package = importlib.import_module(PACKAGES[group])
    found = [m.name for m in pkgutil.iter_modules(package.__path__)]
    return [name for name in found if hasattr(_module(group, name), "build")]


def builder(group: str, name: str) -> Callable[..., Any]:
    """Returns the `build` function of member `name` of `group`.

    Raises:
        UserError: there is no such member; names the nearest.
    """
    if name not in names(group):
        raise UserError(f"{group}={name} is not known; {nearest(str(name), names(group))}")
    build: Callable[..., Any] = _module(group, name).build
    return build


def build(group: str, settings: Mapping[str, Any], **context: Any) -> Any:
    """Builds the member that `settings["name"]` names from its other settings.

    Args:
        group: a key of `PACKAGES`.
        settings: `name`, and keyword arguments of that member's `build`.
        context: what the program (not the user) hands in besides: random streams, shapes.

    Raises:
        UserError: an unknown name or key, or a value that `build` refuses.
    """
    name = settings.get("name", "")
    make = builder(group, name)
    parameters = inspect.signature(make).parameters
    known = set(parameters) - set(context)
    given = {key: value for key, value in settings.items() if key not in ("name", "suggest")}
    for key in given:
        if key not in known:
            raise UserError(f"{group}.{key} is not a setting of {group}={name}; {nearest(key, known)}")
    needed = {key for key, p in parameters.items() if p.default is p.empty}
    missing = sorted(needed - set(given) - set(context))
    # what the program hands in but this member does not take, or takes but is not handed: they do not go together
    if missing or not set(context) <= set(parameters):
        unmet = ", ".join(missing or sorted(set(context) - set(parameters)))
        raise UserError(f"{group}={name} does not fit the rest of the configuration (because of: {unmet})")
    return make(**given, **context)


def _module(group: str, name: str) -> Any:
    return importlib.import_module(f"{PACKAGES[group]}.{name}")
