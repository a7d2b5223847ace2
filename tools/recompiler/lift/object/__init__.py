"""Lifted objects and files, read: their document, pc map, ledger (docs/lifter.md)."""
