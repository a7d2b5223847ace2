/* In: any bytes as a pubkeys.json. */
#include "../rc.h"
#include "fuzz.h"

const char *const fuzz_words[] = {
    "\"revoked\"",
    "\"retired\"",
    "\"recovery\"",
    "\"dev\"",
    "\"subjects\":[\"*\",\"a/*\"]",
    "\"minimum\":[",
    "\"version\":",
    "\"threshold\":2",
    "9007199254740991",
    "9007199254740992",
    "\"keys\":[",
    "-1",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rc_error err;

    for (int default_store = 0; default_store < 2; default_store++)
        rc_keystore_free(rc_keystore_parse(data, size, default_store, &err));
    return 0;
}
