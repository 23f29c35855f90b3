"""Registries: opt-outs and deny-lists of any size as files, compiled once, mapped and shared (docs/registries.md).

A registry that cannot be trusted is not opened: ``InputError`` instead of answers that something is not listed.
"""

from obelics_pipeline.registry.compiling import compile_registry
from obelics_pipeline.registry.folder import Manifest
from obelics_pipeline.registry.joined import JoinedRegistry
from obelics_pipeline.registry.lookup import Hit, Registry

__all__ = ["Hit", "JoinedRegistry", "Manifest", "Registry", "compile_registry"]
