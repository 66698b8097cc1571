"""Files that survive a crash and show any damage: atomic writes, sealed folders, safe JSON and tensors, a lock."""

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
