"""The vkernel of stubs: one connection, one guest process, its syscalls by the wire."""
