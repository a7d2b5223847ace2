/* In: any bytes as a WebAssembly module, for the structural check and for the walk before the engine. */
#include "format/format.h"
#include "fuzz.h"

const struct fuzz_word fuzz_words[] = {
    WORD("\x16wasi_snapshot_preview1"),
    WORD("\x12recompiler_sock_v1"),
    WORD("\x09proc_exit\x00\x01"),
    WORD("\x06_start\x00"),
    WORD("\x06memory\x02"),
    WORD("\xff\xff\xff\xff\x0f"),
    WORD("\xff\xff\xff\xff\xff"),
    WORD("\x0b"),
    WORD("\x02\x40"),
    WORD("\xfc\x0a"),
    WORD("\xfd\x00"),
    WORD("\x0e\x02"),
    WORD("\x80\x80\x80\x80\x00"),
    {0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rc_error err;

    rc_wasm_check(data, size, &err);
    rc_wasm_check_engine(data, size, &err);
    return 0;
}
