"""The YAML configurations that ship with the builder, as package data."""
