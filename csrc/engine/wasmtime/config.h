/* engine/wasmtime/config.h: the settings that artifacts are compiled with, which a host must have too. */
#ifndef WASMTIME_CONFIG_H
#define WASMTIME_CONFIG_H

#include "engine/wasmtime/api.h"

/* A configuration with these settings, the caller's to add to and to make an engine of. */
wasm_config_t *engine_config(void);
/* The same as text, as an artifact's manifest says them. */
extern const char engine_settings[];

#endif
