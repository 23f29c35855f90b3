"""A worker process: Beam's own, without its chatter, and never longer there than what started it.

``python -m beam_jobs.worker PID`` is started by the runner of a local run in the process ``PID``.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time


def main() -> None:
    """Serve the runner that started this process until it is done."""
    serve(int(sys.argv[1]))


def serve(starter: int) -> None:
    """Serve the runner that Beam's environment variables name, as long as ``starter`` is the parent of this process."""
    threading.Thread(target=_leave_with, args=(starter,), daemon=True).start()
    logging.basicConfig(level=logging.ERROR, format="obelics: %(message)s")
    from apache_beam.runners.worker import sdk_worker_main

    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    sdk_worker_main.main(sys.argv)


def _leave_with(starter: int) -> None:
    while os.getppid() == starter:
        time.sleep(1)
    os._exit(1)  # who is killed cannot say that there is no more work


if __name__ == "__main__":
    main()
