"""Who tells the user of an error: of several processes that torchrun started, the first one that fails."""

import os
import time
from datetime import timedelta

from supple.errors import SuppleError
from supple.training.launch import Launch

# torchrun ends the others as soon as it sees that one has failed, which takes it a fraction of a second.
_SECONDS_UNTIL_ENDED = 60.0


def tells_the_user() -> bool:
    """Say whether this process is the one to tell of the error that ends it. Call it once, when all is lost.

    A process that is not the first one to fail, of the same error or because another one is gone, waits here: torchrun
    ends it soon, and if it ended itself, torchrun might end the first one before that has said anything.
    """
    try:
        launch = Launch.from_environment()
    except SuppleError:  # This may be the very error that is to be told.
        return True
    if launch.world == 1 or _is_first(launch):
        return True
    time.sleep(_SECONDS_UNTIL_ENDED)
    return False


def _is_first(launch: Launch) -> bool:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        # The store is torchrun's own process, there before and after the processes have met.
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=timedelta(seconds=10),
        )
        return int(store.add(f"supple/failed/{attempt}", 1)) == 1
    except (RuntimeError, ValueError):
        return launch.is_main
