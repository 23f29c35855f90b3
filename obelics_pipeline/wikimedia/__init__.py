"""Wikimedia's HTML dumps: reading them, and what is special about the pages in them (docs/wikipedia.md)."""
