"""Files that survive a crash and show any damage: atomic writes, sealed folders, safe JSON and tensors, a lock.

Each name is imported when it is first used: JSON is read where there is no PyTorch, too.
"""

from typing import TYPE_CHECKING

from supple.lazy import lazy_names

if TYPE_CHECKING:
    from supple.storage.artifact import FileEntry, Manifest, is_sealed, seal, verify
    from supple.storage.files import replaced_atomically, sha256_of, write_atomically
    from supple.storage.json_files import flattened, read_json, write_json
    from supple.storage.lock import RunLock
    from supple.storage.tensors import load_metadata, load_tensors, save_tensors

__all__ = [
    "FileEntry",
    "Manifest",
    "RunLock",
    "flattened",
    "is_sealed",
    "load_metadata",
    "load_tensors",
    "read_json",
    "replaced_atomically",
    "save_tensors",
    "seal",
    "sha256_of",
    "verify",
    "write_atomically",
    "write_json",
]

_HOMES = {
    "FileEntry": "supple.storage.artifact",
    "Manifest": "supple.storage.artifact",
    "RunLock": "supple.storage.lock",
    "flattened": "supple.storage.json_files",
    "is_sealed": "supple.storage.artifact",
    "load_metadata": "supple.storage.tensors",
    "load_tensors": "supple.storage.tensors",
    "read_json": "supple.storage.json_files",
    "replaced_atomically": "supple.storage.files",
    "save_tensors": "supple.storage.tensors",
    "seal": "supple.storage.artifact",
    "sha256_of": "supple.storage.files",
    "verify": "supple.storage.artifact",
    "write_atomically": "supple.storage.files",
    "write_json": "supple.storage.json_files",
}

if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _HOMES, globals())
