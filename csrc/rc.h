/* rc.h: everything csrc/ offers. One source list (csrc/build.py) makes of it the cffi extension
 * recompiler._native and the loader stub.
 *
 * Convention: int rc_x(..., struct rc_error *err) returns 0 or a positive count, or -1 with *err filled;
 * err is untouched on success. Nothing here exits or prints. Nothing is allocated from a number in a file
 * before the file's signature is verified. */
#ifndef RC_H
#define RC_H

#include <stddef.h>
#include <stdint.h>

#include "rc_codes.h"

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

/* ---- rc_trailer.c: layout. Values as they stand in the file, decoded. */
struct rc_section {
    uint32_t type; /* 1 STUB, 2 WASM, 3 MANIFEST, 4 AOT */
    uint64_t offset, size;
    uint8_t blake3[32];
};
struct rc_statement {
    uint16_t kind, section_count, signer_count;
    uint64_t signed_at, expires_at, security_version;
    char subject[65];
    struct rc_section section[4];
    uint8_t raw[384];
};

/* ---- rc_keys.c */
struct rc_keystore; /* opaque; freed by rc_keystore_free */
/* Reads and checks a pubkeys.json. default_store != 0: refuse a store that accepts role dev (E_KEYS_ROLE). */
struct rc_keystore *rc_keystore_open(const char *path, int default_store, struct rc_error *err);
struct rc_keystore *rc_keystore_parse(const uint8_t *text, size_t len, int default_store, struct rc_error *err);
void rc_keystore_free(struct rc_keystore *store);

/* ---- rc_verify.c: stages 0 to 8 in order */
struct rc_verified {
    struct rc_statement statement;
    uint64_t file_size;
    int signatures_counted; /* distinct countable keys that verified */
    uint8_t *wasm;          /* the verified bytes themselves, when asked for; else NULL */
    uint8_t *manifest;
    size_t wasm_size, manifest_size;
};
/* store NULL gives E_KEYS_OPEN at stage 5. now: unix seconds. load != 0: hand out WASM and MANIFEST (rc_verified_free).
 * Kind 2: stages 7 and 8 need the sections' files: section_fds[type] for types 2..4, or -1. */
int rc_verify_fd(int fd, const struct rc_keystore *store, uint64_t now, int load, const int section_fds[5],
                 struct rc_verified *out, struct rc_error *err);
int rc_verify_bytes(const uint8_t *file, size_t size, const struct rc_keystore *store, uint64_t now, int load,
                    struct rc_verified *out, struct rc_error *err);
void rc_verified_free(struct rc_verified *v);

/* ---- rc_manifest.c, rc_wasm.c, rc_json.c: also callable alone (tools, tests, fuzz targets) */
int rc_manifest_check(const uint8_t *text, size_t len, const struct rc_statement *st, struct rc_error *err);
int rc_wasm_check(const uint8_t *wasm, size_t len, struct rc_error *err);        /* stage 8, kind 1 */
int rc_wasm_check_engine(const uint8_t *wasm, size_t len, struct rc_error *err); /* E_ENGINE_*: opcodes, nesting */
int rc_json_check(const uint8_t *text, size_t len, int max_depth, struct rc_error *err); /* code RC_E_RPC_JSON */

/* ---- rc_host.c: raw Linux for the vkernel: returns the kernel's value, or -errno */
int64_t rc_syscall(int64_t nr, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f);
/* cffi: end */

struct rc_blake3 {
    _Alignas(16) uint8_t state[2048];
};
void rc_blake3_init(struct rc_blake3 *h);
void rc_blake3_update(struct rc_blake3 *h, const void *data, size_t len);
void rc_blake3_final(const struct rc_blake3 *h, uint8_t out[32]);

/* Fills *err (printf-like, output cut and made printable) and returns -1. */
int rc_fail(struct rc_error *err, int code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
