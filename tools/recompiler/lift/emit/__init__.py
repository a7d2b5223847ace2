"""Emission: functions to wasm, the runtime beside them, and the object that holds all."""
