/* In: any bytes as a manifest, with and without a statement that it may be true of. */
#include <string.h>

#include "../rc.h"
#include "fuzz.h"

const char *const fuzz_words[] = {
    "\"aot\":[{\"target\":\"t\",\"engine\":\"e\",\"settings\":\"\",\"blake3\":\"",
    "\"kind\":\"script\",\"interpreter\":\"",
    "\"argument\":\"-e\"",
    "\"kind\":\"polyfill\",\"replaces\":\"",
    "\"provider\":\"p\"",
    "\"10.0.0.0/8:443\"",
    "\"[::1]:*\"",
    "\"*:53\"",
    "\"bind\":[",
    "\"omitted\":[{\"path\":\"/a\",\"blake3\":\"",
    "\"coverage\":{\"functions\":1,\"lifted\":1,\"stubs\":[{\"file\":\"",
    "\"address\":\"0x401000\"",
    "\"source\":{\"config\":\"sha256:",
    "\"diff_ids\":[\"sha256:",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "/../",
    "//",
    "\\u202e",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rc_statement st = {.kind = 1, .section_count = 4, .subject = "demo/hello"};
    struct rc_error err;

    for (int i = 0; i < 4; i++)
        st.section[i] = (struct rc_section){.type = (uint32_t)i + 1, .size = 123};
    rc_manifest_check(data, size, NULL, &err);
    rc_manifest_check(data, size, &st, &err);
    return 0;
}
