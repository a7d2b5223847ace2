"""OCI images in, without unpacking them: index, layers, one tree, and what kind of program a file is."""
