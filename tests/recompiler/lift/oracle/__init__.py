"""Instruction forms against this CPU: the same bytes and states run natively (cpu.c) and as lifted wasm (lifted.py)."""
