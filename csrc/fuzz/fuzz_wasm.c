/* In: any bytes as a WebAssembly module, for the structural check and for the walk before the engine. */
#include "../rc.h"
#include "fuzz.h"

const char *const fuzz_words[] = {
    "\x16wasi_snapshot_preview1",
    "\x12recompiler_sock_v1",
    "\x09proc_exit\x00\x01",
    "\x06_start\x00",
    "\x06memory\x02",
    "\xff\xff\xff\xff\x0f",
    "\xff\xff\xff\xff\xff",
    "\x0b",
    "\x02\x40",
    "\xfc\x0a",
    "\xfd\x00",
    "\x0e\x02",
    "\x80\x80\x80\x80\x00",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rc_error err;

    rc_wasm_check(data, size, &err);
    rc_wasm_check_engine(data, size, &err);
    return 0;
}
