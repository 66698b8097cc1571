"""An artifact: a folder whose `manifest.json`, written last, lists every file with its size and SHA-256 sum.

The manifest also carries a sum over itself, and its text must be, byte for byte, the one that its content is written
as. So no changed bit in any listed file or in the manifest goes unseen.
"""

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supple.errors import SuppleError
from supple.storage.files import TEMPORARY_PREFIX, cause, flush, read_bounded, sha256_of, write_atomically
from supple.storage.json_files import MAX_BYTES, parse_json, to_text
from supple.storage.lock import LOCK_NAME

MANIFEST_NAME = "manifest.json"
FORMAT = 1
_ADVICE = "Copy or make it again."
_KEYS = {"format", "kind", "files", "extra", "checksum"}


@dataclass(frozen=True)
class FileEntry:
    """What a file's content must be."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The sealed content of an artifact: its kind, its files by path relative to the folder, and the maker's notes."""

    folder: Path
    kind: str
    files: Mapping[str, FileEntry]
    extra: Mapping[str, Any]

    def path(self, name: str) -> Path:
        """Return the path of a listed file. Raises `SuppleError` for any other: nobody vouches for its content."""
        if name not in self.files:
            raise SuppleError(f'The {self.kind} in "{self.folder}" has no file "{name}".')
        return self.folder / name


def seal(
    folder: Path | str, kind: str, extra: Mapping[str, Any] = {}, *, leaving_out: Collection[str] = ()
) -> Manifest:
    """Flush every file below the folder to the disk, then write the manifest that lists them.

    The folder's lock and temporary files are left out, and so is what lies in it under the names in `leaving_out`,
    which may change after this. `extra` is any JSON content. Raises `SuppleError` where a file is a link or not an
    ordinary file, where `extra` is not JSON, or where reading or writing fails.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SuppleError(f'There is no folder "{root}" to seal.')
    try:
        files = {name: _entry(root / name) for name in sorted(_names(root)) if name.split("/")[0] not in leaving_out}
        for directory, _, _ in os.walk(root):
            flush(Path(directory))
    except OSError as error:
        raise SuppleError(f'Could not seal "{root}": {cause(error)}.') from error
    try:
        text = _text(kind, files, dict(extra))
    except (TypeError, ValueError, RecursionError) as error:
        raise SuppleError(f'Could not seal "{root}": its notes are not JSON ({error}).') from error
    write_atomically(root / MANIFEST_NAME, text)
    return _read(root, kind)


def is_sealed(folder: Path | str) -> bool:
    """Say whether the folder holds a whole artifact, however it has changed since: the manifest is written last."""
    return (Path(folder) / MANIFEST_NAME).exists()


def verify(folder: Path | str, kind: str) -> Manifest:
    """Check that the folder holds an artifact of this kind and that no listed file has changed; return its manifest.

    Raises `SuppleError` where the manifest is missing, damaged, of another kind or of another format, and where a
    listed file is missing, has another size or content, is a link, or lies outside the folder. Open files by
    `Manifest.path`: files that are not listed are allowed, but not checked.
    """
    root = Path(folder)
    manifest = _read(root, kind)
    for name, entry in manifest.files.items():
        path = root / name
        size = _size_without_links(root, name)
        if size != entry.size:
            raise SuppleError(f'"{path}" is damaged: it has {size:,} bytes instead of {entry.size:,}. {_ADVICE}')
        if sha256_of(path) != entry.sha256:
            raise SuppleError(f'"{path}" is damaged: its content is not the one that was sealed. {_ADVICE}')
    return manifest


def _names(root: Path) -> Iterator[str]:
    """Yield the path of each file below the folder, relative to it, with forward slashes."""
    for directory, subfolders, names in os.walk(root, onerror=_raise):
        for name in subfolders + names:
            path = Path(directory, name)
            mode = path.lstat().st_mode
            if name.startswith(TEMPORARY_PREFIX) or path in (root / MANIFEST_NAME, root / LOCK_NAME):
                continue
            if stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode):
                raise SuppleError(f'Could not seal "{root}": "{path}" is a link or not an ordinary file.')
            relative = path.relative_to(root).as_posix()
            if not _stays_inside(relative):
                raise SuppleError(
                    f'Could not seal "{root}": the name {relative!r} holds characters that do not travel.'
                )
            yield relative


def _raise(error: OSError) -> None:
    raise error


def _entry(path: Path) -> FileEntry:
    flush(path)
    return FileEntry(path.stat().st_size, sha256_of(path))


def _text(kind: str, files: Mapping[str, FileEntry], extra: Mapping[str, Any]) -> str:
    content: dict[str, Any] = {
        "format": FORMAT,
        "kind": kind,
        "files": {name: {"size": entry.size, "sha256": entry.sha256} for name, entry in files.items()},
        "extra": extra,
    }
    body = to_text(content).removesuffix("\n}\n")
    return f'{body},\n "checksum": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'


def _read(root: Path, kind: str) -> Manifest:
    path = root / MANIFEST_NAME
    if not path.is_file() or path.is_symlink():
        raise SuppleError(f'"{root}" is no finished {kind}: it has no {MANIFEST_NAME}.')
    data = read_bounded(path, MAX_BYTES)
    content = parse_json(data, f'"{path}"')
    if not isinstance(content, dict) or content.keys() != _KEYS:
        raise SuppleError(f'"{path}" is no manifest: expected the keys {", ".join(sorted(_KEYS))}.')
    if content["format"] != FORMAT:
        raise SuppleError(
            f'"{path}" has format {content["format"]!r:.20}; this version of supple reads format {FORMAT}.'
        )
    if content["kind"] != kind:
        raise SuppleError(f'"{root}" holds a {content["kind"]!r:.40}, not a {kind!r}.')
    files = _parse_files(content["files"], path)
    extra = content["extra"]
    if not isinstance(extra, dict):
        raise SuppleError(f'"{path}" is no manifest: "extra" must be an object.')
    if data != _text(kind, files, extra).encode():
        raise SuppleError(f'"{path}" is damaged: its checksum does not agree with its content. {_ADVICE}')
    return Manifest(root, kind, files, extra)


def _parse_files(listed: object, path: Path) -> dict[str, FileEntry]:
    if not isinstance(listed, dict):
        raise SuppleError(f'"{path}" is no manifest: "files" must be an object.')
    files = {}
    for name, entry in listed.items():
        if not _stays_inside(name):
            raise SuppleError(f'"{path}" names {name!r:.80}, which is no path inside its folder.')
        if (
            not isinstance(entry, dict)
            or entry.keys() != {"size", "sha256"}
            or type(entry["size"]) is not int
            or not 0 <= entry["size"] < 2**63
            or not isinstance(entry["sha256"], str)
            or not re.fullmatch("[0-9a-f]{64}", entry["sha256"])
        ):
            raise SuppleError(f'"{path}" is no manifest: {name!r:.80} must have a size and a SHA-256 sum.')
        files[name] = FileEntry(entry["size"], entry["sha256"])
    return files


def _stays_inside(name: str) -> bool:
    # Without "" among the parts there is no leading, doubled or trailing slash.
    return name.isprintable() and "\\" not in name and {"", ".", ".."}.isdisjoint(name.split("/"))


def _size_without_links(root: Path, name: str) -> int:
    path = root
    for part in name.split("/"):
        path /= part
        try:
            status = path.lstat()
        except OSError as error:
            raise SuppleError(f'"{path}" is missing: {cause(error)}. {_ADVICE}') from error
        if stat.S_ISLNK(status.st_mode):
            raise SuppleError(f'"{path}" is a link: an artifact holds only ordinary files.')
    return status.st_size
