/* base.h: what every wing of csrc/ stands on: errors, hashes, one raw syscall.
 *
 * Convention: int rc_x(..., struct rc_error *err) returns 0 or a positive count, or -1 with *err filled;
 * err is untouched on success. Nothing here exits or prints. Nothing is allocated from a number in a file
 * before the file's signature is verified. */
#ifndef RC_BASE_H
#define RC_BASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/codes.h"

enum rc_code {
    RC_OK = 0,
#define RC_CODE_ENUM(name, exit_code) RC_##name,
    RC_CODES(RC_CODE_ENUM)
#undef RC_CODE_ENUM
        RC_CODE_COUNT
};

/* Text between the two cffi marks is also the cdef of recompiler._native (numbers only, no macros). */
/* cffi: begin */
struct rc_error {
    int code;          /* enum rc_code */
    uint64_t offset;   /* byte offset in the file, document or module the code speaks of; 0 if none */
    char message[232]; /* one line of printable ASCII: what is wrong and what to do */
};

const char *rc_code_name(int code); /* "E_OPEN"; "E_INTERNAL" for a number outside the table */
int rc_code_exit(int code);         /* exit code of the command line for this code */
int rc_code_count(void);            /* one more than the last code; the first is 1 */

/* ---- blake3.zig, ed25519.zig */
void rc_blake3(const uint8_t *data, size_t len, uint8_t out[32]);
int rc_ed25519_point_ok(const uint8_t public_key[32]);
int rc_ed25519_verify(const uint8_t public_key[32], const uint8_t signature[64], const uint8_t *message, size_t len);

/* ---- json.c: the profile of a reply, also callable alone (tests, fuzz targets) */
int rc_json_check(const uint8_t *text, size_t len, int max_depth, struct rc_error *err); /* code RC_E_RPC_JSON */

/* ---- host.c: raw Linux for the vkernel: returns the kernel's value, or -errno */
int64_t rc_syscall(int64_t nr, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f);
/* cffi: end */

struct rc_blake3 {
    _Alignas(16) uint8_t state[2048];
};
void rc_blake3_init(struct rc_blake3 *h);
void rc_blake3_update(struct rc_blake3 *h, const void *data, size_t len);
void rc_blake3_final(const struct rc_blake3 *h, uint8_t out[32]);

/* A terminal must not act on what a hostile file or peer says: all but printable ASCII becomes '?'. */
void rc_printable(char *text);

/* Fills *err (printf-like, output cut and made printable) and returns -1. */
int rc_fail(struct rc_error *err, int code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with "what: text", where text is another library's, of several lines: they become one, joined by "; ". */
int rc_fail_lines(struct rc_error *err, int code, const char *what, const char *text, size_t len);

#endif
