"""From a section of the configuration to the options of what does the work."""

from __future__ import annotations

from beam_jobs.config import ExtractSection
from obelics_pipeline.dom.extract import ExtractOptions


def extract_options(section: ExtractSection) -> ExtractOptions:
    """What the extraction of one page has to know of the configuration."""
    shared = [name for name in ExtractOptions.__struct_fields__ if name in section.__struct_fields__]
    return ExtractOptions(**{name: getattr(section, name) for name in shared})
