"""An image of wasm programs and scripts in, a signed bundle directory out (docs/build.md).

contents  every file's bytes, kept under a number while the layers pass
inert     a program's hash -> the module without code that lies in its place
judge     one wasm file -> why it cannot be in a bundle, or nothing
scan      the tree of an image -> its programs, its scripts, and what is left out, each with a reason
scripts   a script's first line -> the program that runs it in the end
rootfs    the tree and the kept bytes -> a directory
build     all of these together, and nothing half-made
proof     a bundle -> each entry leads to its program, and every program in rootfs is an entry or left out
"""
