"""Downloads a file of a corpus: from one source after the other, checked by its sha256."""

import hashlib
import sys
import tarfile
import zlib
from pathlib import Path

import pooch
import requests

from artbp_exp.errors import UserError
from artbp_exp.files import write_atomically

ARCHIVE_NAME = "simple-examples.tgz"
BROKEN_ARCHIVE = (tarfile.TarError, zlib.error, EOFError, LookupError)


def download(name: str, sha256: str, sources: tuple[str, ...], folder: Path, advice: str) -> None:
    """Puts the file `name` into `folder`, from the first of `sources` (see `Corpus`) that has it with this checksum.

    Where none has it, `advice` ends the message: what to do.
    """
    failures = []
    pooch.get_logger().setLevel("ERROR")
    for source in sources:
        try:
            _fetch(source, name, sha256, folder)
            return
        except (requests.RequestException, ValueError, OSError, *BROKEN_ARCHIVE) as error:
            (folder / ARCHIVE_NAME).unlink(missing_ok=True)  # or a broken one would be taken again
            # a source that is down, or that serves another file, is no reason to give up on the next
            failures.append(f"{source.format(name=name)} ({type(error).__name__})")
    raise UserError(f"{name} could not be downloaded to {folder}; tried {', '.join(failures)}; {advice}")


def _fetch(source: str, name: str, sha256: str, folder: Path) -> None:
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=20)
    if not source.endswith(".tgz"):
        pooch.retrieve(source.format(name=name), f"sha256:{sha256}", fname=name, path=folder, downloader=downloader)
        return
    # the archive's own sum is not published: what is taken from it is checked file by file
    member = f"simple-examples/data/{name}"
    found = pooch.retrieve(
        source,
        None,
        fname=ARCHIVE_NAME,
        path=folder,
        downloader=downloader,
        processor=pooch.Untar(members=[member], extract_dir=".extracted"),
    )
    content = Path(found[0]).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{name} in {source} is another file")
    write_atomically(folder / name, lambda path: path.write_bytes(content))
