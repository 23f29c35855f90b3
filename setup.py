"""All of it stands in setup.cfg; Beam and older tools look for this file."""

from setuptools import setup

setup()
