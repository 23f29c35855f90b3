"""The only package that imports Apache Beam: one job per stage, and the command line."""
