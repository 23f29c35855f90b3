"""robots.txt of the hosts of a crawl, from its archives to a folder that processes map and share (docs/robots.md).

A store that cannot be trusted is not opened: ``InputError`` instead of answers that nothing is forbidden.
"""

from obelics_pipeline.robots_store.compiling import compile_robots
from obelics_pipeline.robots_store.folder import Manifest
from obelics_pipeline.robots_store.lookup import Found, RobotsStore

__all__ = ["Found", "Manifest", "RobotsStore", "compile_robots"]
