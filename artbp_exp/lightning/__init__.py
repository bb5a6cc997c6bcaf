"""Lightning: a module whose sequences are cut at random, without bias (`pip install 'artbp-exp[lightning]'`)."""

try:
    import lightning.pytorch  # noqa: F401 (whether it is there)
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "artbp_exp.lightning needs the package lightning, which is not installed: pip install 'artbp-exp[lightning]'"
    ) from error

from artbp_exp.lightning.module import SegmentedModule

__all__ = ["SegmentedModule"]
