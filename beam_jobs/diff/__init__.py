"""``obelics diff``: which documents came, went and changed between two runs, and why.

Light rows are joined by id: the place of a document, and eight bytes for each of its nodes. Only of documents
that differ are texts and decisions read, part by part; a document is in the same part in all stages of a run.
"""
