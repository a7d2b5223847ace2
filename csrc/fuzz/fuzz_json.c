/* In: any bytes as a JSON document. Checked: the parser's own promises about what it accepted. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

const struct fuzz_word fuzz_words[] = {
    WORD("{\"a\":[1,2,{}]}"),
    WORD("\"\\u0061\""),
    WORD("\\ud83d\\ude00"),
    WORD("\\ud800"),
    WORD("\\u0000"),
    WORD("9007199254740991"),
    WORD("-0"),
    WORD("1e5"),
    WORD("true"),
    WORD("null"),
    WORD("false"),
    WORD("\xef\xbb\xbf"),
    WORD("\xf4\x8f\xbf\xbf"),
    WORD("\xed\xa0\x80"),
    WORD("\xc0\x80"),
    WORD("[[[["),
    WORD("}}}}"),
    WORD(",\"a\":0"),
    {0},
};

static void expect(int promise) {
    if (!promise) {
        abort();
    }
}

/* Every string of a valid document can be copied, and fits into as many bytes as it is long when escaped. */
static void strings(const uint8_t *data, size_t size, const struct rc_json_rules *rules) {
    struct rc_error err;
    struct rc_json j;
    int token, depth = 0;

    rc_json_begin(&j, data, size, rules, &err);
    while ((token = rc_json_next(&j)) != RC_JSON_END) {
        expect(token > 0 && j.depth <= rules->max_depth && j.start < size);
        depth += token == RC_JSON_OBJECT || token == RC_JSON_ARRAY;
        depth -= token == RC_JSON_OBJECT_END || token == RC_JSON_ARRAY_END;
        expect(depth == j.depth);
        if (token == RC_JSON_KEY || token == RC_JSON_STRING) {
            char *copy = malloc(j.string.len + 1), one;
            int64_t len = rc_json_copy(j.string, copy, j.string.len + 1);

            expect(len >= 0 && (size_t)len <= j.string.len);
            expect(strlen(copy) != (size_t)len || rc_json_is(j.string, "x") == !strcmp(copy, "x"));
            expect(len == 0 || rc_json_copy(j.string, &one, 1) < 0);
            free(copy);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct rc_json_rules rules[] = {
        {.code = RC_E_MANIFEST_SYNTAX, .max_depth = 16},
        {.code = RC_E_RPC_JSON, .max_depth = 8},
        {.code = RC_E_KEYS_SYNTAX, .max_depth = 4, .plain = 1},
    };

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct rc_error err = {0};

        if (!rc_json_valid(data, size, &rules[i], &err)) {
            expect(err.code == 0);
            strings(data, size, &rules[i]);
        } else {
            expect(err.code == rules[i].code && err.offset <= size);
        }
    }
    return 0;
}
