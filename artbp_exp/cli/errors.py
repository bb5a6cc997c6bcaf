"""What every command does at its entry: a mistake of the user's is one line and exit code 2."""

import argparse
import re
import signal
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from artbp_exp.cli.output import exit_code_of_output, print_anything
from artbp_exp.errors import UserError, nearest

PLUGINS = {
    "hydra/launcher/joblib": "pip install 'artbp-exp[sweep]', or '.[sweep]' here",
    "hydra/sweeper/optuna": "pip install hydra-optuna-sweeper",
}
"""Choices that packages besides this one bring along → how to get them."""


@contextmanager
def entry_point(*, reports: bool = True, options: Collection[str] = ()) -> Iterator[None]:
    """Wraps the body of a command: `explained`, on a terminal of any encoding, with each warning in one line.

    It ends with exit code 2 where standard output did not take all that was printed (a full disk).

    Args:
        reports: the command only reads and prints. It ends quietly when nobody reads its output (`… | head`).
        options: that the command takes besides those of its parser.
    """
    print_anything()
    if reports and hasattr(signal, "SIGPIPE"):  # not on Windows
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    warn_in_a_line()
    try:
        with explained(), options_explained(options):
            yield
    except SystemExit as end:
        lost = exit_code_of_output()
        end.code = end.code or lost
        raise
    if lost := exit_code_of_output():
        sys.exit(lost)


@contextmanager
def options_explained(options: Collection[str]) -> Iterator[None]:
    """Within it a parser of options, Hydra's too, raises `UserError` in the place of its usage and exit."""
    usual = argparse.ArgumentParser.error

    def refuse(self: argparse.ArgumentParser, message: str) -> NoReturn:
        known = {name for name in self._option_string_actions if name.startswith("--")} | set(options)
        found = re.match(r"unrecognized arguments: (-\S+)", message)
        raise UserError(f"{found[1]} is not an option; {nearest(found[1], known)}" if found else message)

    argparse.ArgumentParser.error = refuse  # type: ignore[method-assign]  # Hydra makes its parser itself
    try:
        yield
    finally:
        argparse.ArgumentParser.error = usual  # type: ignore[method-assign]  # as above


@contextmanager
def explained() -> Iterator[None]:
    """Within it, user errors and Hydra's end the program with one line on stderr and exit code 2.

    An interruption does so with 128 + the signal's number: 130 for SIGINT, 143 for SIGTERM, 138 for SIGUSR1.
    """
    try:
        yield
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except ValueError as error:
        if not _raised_by_hydra(error):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        said, code = _cluster(error)
        if not said:
            raise
        print(f"error: {said}", file=sys.stderr)
        sys.exit(code)
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted", file=sys.stderr)
        sys.exit(getattr(stop, "code", 130))


def _raised_by_hydra(error: ValueError) -> bool:
    """Whether it is Hydra's word on what was typed (`method=null`), and not a bug of this program."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(module).partition(".")[0] in ("hydra", "omegaconf")


def path(text: str) -> Path:
    """Type of an option of argparse: a path, `~` expanded."""
    return Path(text).expanduser()


def takes_folder(parser: argparse.ArgumentParser, usual: Path, what: str) -> None:
    """Adds the folder that a command reads, by its place or as `--results`: `folder_of` returns it."""
    parser.add_argument("folder", nargs="?", type=path, help=f"{what} (default: {usual})")
    parser.add_argument("--results", type=path, help="the same")


def folder_of(options: argparse.Namespace, usual: Path) -> Path:
    """The folder that was named, however; two are refused."""
    if options.folder and options.results:
        raise UserError(f"{options.folder} and --results {options.results} are two folders; name one")
    folder: Path = options.folder or options.results or usual
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name the one that holds the records, by itself or with --results")
    return folder


def warn_in_a_line() -> None:
    """From now on a warning is a line on stderr without the path of the code that warns, and each is said once."""
    said = set()

    def show(message: Warning | str, *where: object, **more: object) -> None:
        if str(message) not in said:
            said.add(str(message))
            print(f"warning: {message}", file=sys.stderr)

    warnings.showwarning = show


def _cluster(error: RuntimeError) -> tuple[str, int]:
    """What is wrong, and the exit code, if it is the cluster's doing; nothing if it is a bug."""
    if "on a slurm cluster" in str(error):
        return "hydra/launcher=slurm finds no Slurm here (no srun on the PATH)", 2
    if type(error).__module__.startswith("submitit."):  # not imported: it need not be installed
        reason = " ".join(str(error).split())[:300]
        advice = "jobs that are queued or running go on; the same command again does what is missing"
        return f"a job ended without a result ({reason}); {advice}", 1
    return "", 0


def one_line(error: BaseException) -> str:
    """What was wrong, in one line, with the nearest valid names where there are any."""
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    cause = error.__cause__
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and isinstance(cause.parent_node, DictConfig):
        valid = [str(key) for key in cause.parent_node if key not in ("hydra", "name", "suggest")]
        full_key = str(cause.full_key)
        where = f" of {full_key.rpartition('.')[0]}" if "." in full_key else ""
        return f"{full_key} is not a setting{where}; {nearest(str(cause.key), valid)}"
    options = getattr(error, "options", None)
    name = getattr(error, "missing_cfg_file", None)
    if options and name:
        group, _, choice = str(name).rpartition("/")
        if advice := PLUGINS.get(str(name)):
            return f"{group}={choice} is not installed; {advice}"
        return f"{group}={choice} is not known; {nearest(choice, options)}"
    override = getattr(error, "override", None)
    if isinstance(error, OverrideParseException) and isinstance(override, str):
        name, equals, value = override.partition("=")
        if not equals:
            return f"cannot read {override}: a setting is given as name=value, a sweep over several with -m"
        return (
            f"cannot read {override}: a value with spaces, a further = or such signs needs quotes, those of the shell "
            f"around all of it and more within: '{name}=\"{value}\"'"
        )
    text = " ".join(str(error).split("See https")[0].split())
    if "hydra/launcher/submitit_" in text:
        return "hydra/launcher=slurm needs the package hydra-submitit-launcher: pip install '.[slurm]'"
    if cause is not None and str(cause):
        text += f" ({str(cause).splitlines()[0]})"
    return text
