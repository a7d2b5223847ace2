"""The wasm toolkit: a module read, changed and written, byte for byte where nothing changed."""
