"""From the tree of a page to the nodes of a document."""

from obelics_pipeline.compiled import refuse_outdated

refuse_outdated()
