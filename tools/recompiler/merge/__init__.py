"""Many WebAssembly programs in, one module out, whose `_dispatch` runs the program of an id (docs/merge.md).

reader, scan  the bytes of a module -> its index spaces, and where its code names them
slots         which memories, tables and globals programs can have in common
rewriter      code and the new index of everything it names -> code
equal         functions -> the classes of those that are the same
dispatch      the entry of each program, and the function that routes to them
merger        all of these together
"""
