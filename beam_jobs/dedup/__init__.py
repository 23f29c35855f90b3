"""The stage ``dedup``: one module for each pass, ``stage`` for their order."""
