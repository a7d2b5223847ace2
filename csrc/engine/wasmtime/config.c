/* In: the settings of tools/recompiler/aot.py, as csrc/build.py writes them into a header. Out: wasmtime's
 * configuration, and their text. */
#include "engine/wasmtime/config.h"

#include "engine_settings.h"

#if defined(__x86_64__)
const char engine_settings[] = RC_AOT_X86_64;
#elif defined(__aarch64__)
const char engine_settings[] = RC_AOT_AARCH64;
#endif

wasm_config_t *engine_config(void) {
    wasm_config_t *config = wasm_config_new();
#define SET(name, value) wasmtime_config_##name##_set(config, value);
    RC_AOT_SETTINGS(SET)
#undef SET
    return config;
}
