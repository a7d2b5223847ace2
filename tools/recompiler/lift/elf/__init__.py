"""An ELF file as the lifter sees it: segments, relocations, unwind tables, Go's table of functions."""
