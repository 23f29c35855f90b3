"""What a duplicate is, at each level, and what becomes of it. Pure: documents and keys in, edits out."""
