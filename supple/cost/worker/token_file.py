"""The secret that a worker and those who use it share: one line in a file that nobody else can read."""

import os
import re
import stat
from pathlib import Path

from supple.errors import SuppleError
from supple.storage.files import read_bounded

TOKEN_FILE_VARIABLE = "SUPPLE_WORKER_TOKEN_FILE"
_MAKE_ONE = "(umask 077; openssl rand -hex 32 > FILE)"
_TOKEN = re.compile(r"[!-~]{16,512}")
_MAX_BYTES = 1024


def read_token(file: Path) -> str:
    """Return the token in a file.

    Raises `SuppleError` where the file is missing, can be read by other users, or holds no line of 16 to 512 visible
    ASCII characters.
    """
    if not file.is_file():
        raise SuppleError(f'There is no token file "{file}": make one with  {_MAKE_ONE}')
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise SuppleError(f'Other users can use the token file "{file}": run  chmod 600 {file}')
    token = read_bounded(file, _MAX_BYTES).decode(errors="replace").strip()
    if _TOKEN.fullmatch(token) is None:
        raise SuppleError(
            f'"{file}" holds no token, one line of 16 to 512 characters without spaces: make one with  {_MAKE_ONE}'
        )
    return token


def token_of_environment(worker: str) -> str:
    """Return the token for a worker, from the file that `SUPPLE_WORKER_TOKEN_FILE` names.

    Raises `SuppleError` where the variable is not set, and as `read_token` does.
    """
    file = os.environ.get(TOKEN_FILE_VARIABLE)
    if not file:
        raise SuppleError(
            f"The worker {worker} wants a token: copy its token file here, and set {TOKEN_FILE_VARIABLE} to the copy."
        )
    return read_token(Path(file))
