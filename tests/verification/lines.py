"""The lines that the sweep makes on every machine."""

from artbp_exp import registry
from artbp_exp.verification.variants import (
    ENUMERATION,
    FAR_LENGTH,
    LAGS,
    MUTATED,
    far_methods,
    label,
    mutants,
    schemes,
)


def wanted() -> set[tuple[str, ...]]:
    """(method, model, engine): all but engines that do not fit everywhere."""
    models, engines = registry.names("model"), ("auto", "plain")
    shipped = {(label(settings), model, engine) for settings in schemes() for model in models for engine in engines}
    return shipped | {(label(MUTATED), model, f"broken: {name}") for name in mutants(ENUMERATION) for model in models}


def far_wanted() -> set[tuple[str, ...]]:
    """(method, what is broken), lag by lag."""
    sound = {(label(settings), "") for settings in far_methods()}
    return sound | {(label(MUTATED | {"length": FAR_LENGTH}), name) for name in mutants(LAGS)}
