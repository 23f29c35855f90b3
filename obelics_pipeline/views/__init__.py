"""Other formats of a dataset: what a document is in each, and back."""
