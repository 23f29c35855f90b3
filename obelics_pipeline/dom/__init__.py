"""From the tree of a page to the nodes of a document."""
