"""A worker process of a local run: Beam's own, without its chatter, and never longer there than its driver.

``python -m beam_jobs.worker PID`` is started by the runner in the process ``PID``.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time


def main() -> None:
    """Serve the runner that started this process until it is done."""
    threading.Thread(target=_leave_with, args=(int(sys.argv[1]),), daemon=True).start()
    logging.basicConfig(level=logging.ERROR, format="obelics: %(message)s")
    from apache_beam.runners.worker import sdk_worker_main

    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    sdk_worker_main.main(sys.argv)


def _leave_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1)
    os._exit(1)  # a killed driver cannot say that there is no more work


if __name__ == "__main__":
    main()
