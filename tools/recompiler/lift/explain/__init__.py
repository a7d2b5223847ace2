"""x86 and wasm side by side, for people."""
