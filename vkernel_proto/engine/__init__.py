"""The vkernel as control plane of a bundle: a verified directory in, containers of the engine (docs/engine.md) out."""
