/* In: a verified manifest. Out: the one number of it that the stub enforces; all others are the vkernel's. */
#include "policy.h"

#include "base/json.h"

uint64_t policy_memory_bytes(const uint8_t *manifest, size_t len) {
    static const char *const path[] = {"policy", "limits", "memory_bytes"};
    const struct rc_json_rules rules = {.code = RC_E_MANIFEST_SYNTAX, .max_depth = 16};
    struct rc_error err;
    struct rc_json j;
    rc_json_begin(&j, manifest, len, &rules, &err);
    int token = rc_json_next(&j);
    for (size_t level = 0; token == RC_JSON_OBJECT;) {
        if (rc_json_next(&j) != RC_JSON_KEY) {
            return 0;
        }
        int found = rc_json_is(j.string, path[level]);
        token = rc_json_next(&j);
        if (found && ++level == sizeof path / sizeof *path) {
            return token == RC_JSON_INTEGER && j.integer > 0 ? (uint64_t)j.integer : 0;
        }
        if (!found) { /* another field: past it, and on in this object */
            if ((token == RC_JSON_OBJECT || token == RC_JSON_ARRAY) && rc_json_skip(&j) < 0) {
                return 0;
            }
            token = token < 0 ? token : RC_JSON_OBJECT;
        }
    }
    return 0;
}
