"""The trusted base: the Python reader of the signed formats (docs/format.md). It stands on errors.py alone."""
