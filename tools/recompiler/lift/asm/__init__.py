"""The assembler that forms are written in: wasm of one instruction, its flags, its calls of the x87 unit."""
