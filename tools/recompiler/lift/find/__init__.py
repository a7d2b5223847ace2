"""Discovery: where code is, its functions, its jump tables (docs/discovery.md)."""
