"""A worker process of a local run: Beam's own, without its chatter."""

from __future__ import annotations

import logging
import os
import sys


def main() -> None:
    """Serve the runner that started this process until it is done; leave with it if it dies."""
    logging.basicConfig(level=logging.ERROR, format="obelics: %(message)s")
    from apache_beam.runners.worker import sdk_worker_main

    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
