"""In: an x86-64 Linux ELF file. Out: one relocatable WebAssembly object, its pc map and its ledger."""
