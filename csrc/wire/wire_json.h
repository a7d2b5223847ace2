/* wire/wire_json.h: the json encoding of docs/wire.md. In: a syscall, or one line of a peer. Out: a line, or its
 * fields.
 */
#ifndef RC_WIRE_JSON_H
#define RC_WIRE_JSON_H

#include "base/base.h"
#include "base/sys.h"

enum {
    RC_LINE_MAX = 1048576, /* with its LF */
    /* Request data of one line: its base64 leaves 1024 bytes of the line to the rest. */
    RC_LINE_DATA_MAX = 785664,
};

/* Writes {"type":"syscall",...} and its LF. Returns the bytes written, or -errno: -EILSEQ when a string is not UTF-8,
 * -ENAMETOOLONG, -E2BIG. */
int64_t rc_line_call(const struct rc_call *call, uint64_t id, char *out, size_t cap);

/* Fields of a message; has_* tells which were there. Unknown fields are skipped. */
struct rc_line {
    int64_t id, ret, sig;
    char type[16], status[16], error[40], message[160];
    uint8_t *data; /* decoded, in the place of the text */
    size_t data_len;
    unsigned has_id : 1, has_ret : 1, has_sig : 1;
};

/* Reads one line without its LF, strictly (depth 8, no duplicate keys); decodes data in place: E_RPC_JSON. */
int rc_line_parse(uint8_t *text, size_t len, struct rc_line *out, struct rc_error *err);

#endif
