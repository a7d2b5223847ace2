/* In: any bytes as a manifest, with and without a statement that it may be true of. */
#include <string.h>

#include "format/format.h"
#include "fuzz.h"

const struct fuzz_word fuzz_words[] = {
    WORD("\"aot\":[{\"target\":\"t\",\"engine\":\"e\",\"settings\":\"\",\"blake3\":\""),
    WORD("\"kind\":\"script\",\"interpreter\":\""),
    WORD("\"argument\":\"-e\""),
    WORD("\"kind\":\"polyfill\",\"replaces\":\""),
    WORD("\"provider\":\"p\""),
    WORD("\"10.0.0.0/8:443\""),
    WORD("\"[::1]:*\""),
    WORD("\"*:53\""),
    WORD("\"bind\":["),
    WORD("\"omitted\":[{\"path\":\"/a\",\"blake3\":\""),
    WORD("\"coverage\":{\"functions\":1,\"lifted\":1,\"stubs\":[{\"file\":\""),
    WORD("\"address\":\"0x401000\""),
    WORD("\"source\":{\"config\":\"sha256:"),
    WORD("\"diff_ids\":[\"sha256:"),
    WORD("0000000000000000000000000000000000000000000000000000000000000000"),
    WORD("/../"),
    WORD("//"),
    WORD("\\u202e"),
    {0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rc_statement st = {.kind = 1, .section_count = 4, .subject = "demo/hello"};
    struct rc_error err;

    for (int i = 0; i < 4; i++) {
        st.section[i] = (struct rc_section){.type = (uint32_t)i + 1, .size = 123};
    }
    rc_manifest_check(data, size, NULL, &err);
    rc_manifest_check(data, size, &st, &err);
    return 0;
}
