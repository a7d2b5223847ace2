/* In: any bytes as a line of a vkernel in the json encoding. Checked: texts end, data lies inside the line. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "fuzz.h"
#include "wire/wire_json.h"

const struct fuzz_word fuzz_words[] = {
    WORD("{\"id\":7,\"ret\":-2}"),
    WORD("\"data\":\"aGkK\""),
    WORD("\"data\":\"\\u0061\\/==\""),
    WORD("{\"type\":\"signal\",\"sig\":9}"),
    WORD("\"status\":\"denied\""),
    WORD("\"error\":\"E_KEY_UNKNOWN\""),
    WORD("\"message\":\""),
    WORD("=="),
    {0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rc_error err;
    struct rc_line line;
    uint8_t *text = malloc(size + 1); /* exactly the line, so that a step beyond it is seen */

    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    if (rc_line_parse(text, size, &line, &err) == 0) {
        if (line.data && (line.data < text || line.data + line.data_len > text + size)) {
            abort();
        }
        if (strlen(line.message) >= sizeof line.message || strlen(line.type) >= sizeof line.type) {
            abort();
        }
    }
    /* Whatever decodes encodes to the same text. */
    memcpy(text, data, size);
    int64_t bytes = rc_base64_decode((char *)text, size, text, size);
    if (bytes >= 0) {
        char *again = malloc(RC_BASE64_SIZE((size_t)bytes) + 1);
        if (again && (rc_base64_encode(text, (size_t)bytes, again) != size || memcmp(again, data, size))) {
            abort();
        }
        free(again);
    }
    free(text);
    return 0;
}
