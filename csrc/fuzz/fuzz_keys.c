/* In: any bytes as a pubkeys.json. */
#include "format/format.h"
#include "fuzz.h"

const struct fuzz_word fuzz_words[] = {
    WORD("\"revoked\""),
    WORD("\"retired\""),
    WORD("\"recovery\""),
    WORD("\"dev\""),
    WORD("\"subjects\":[\"*\",\"a/*\"]"),
    WORD("\"minimum\":["),
    WORD("\"version\":"),
    WORD("\"threshold\":2"),
    WORD("9007199254740991"),
    WORD("9007199254740992"),
    WORD("\"keys\":["),
    WORD("-1"),
    {0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rc_error err;

    for (int default_store = 0; default_store < 2; default_store++) {
        rc_keystore_free(rc_keystore_parse(data, size, default_store, &err));
    }
    return 0;
}
