"""Registries: opt-outs and deny-lists of any size as files, compiled once, mapped and shared (docs/registries.md).

A registry that cannot be trusted is not opened: ``InputError`` instead of answers that something is not listed.
What compiles them (``registry.compiling``) is apart: it imports Arrow, and look-ups need none.
"""

from obelics_pipeline.registry.folder import Manifest
from obelics_pipeline.registry.joined import JoinedRegistry
from obelics_pipeline.registry.lookup import Hit, Registry

__all__ = ["Hit", "JoinedRegistry", "Manifest", "Registry"]
