/* format.h: the C reader of the signed formats (docs/format.md): trailer, key store, manifest, module. */
#ifndef RC_FORMAT_H
#define RC_FORMAT_H

#include "base/base.h"

/* Text between the two cffi marks is also in the cdef of recompiler._native, behind base/base.h's. */
/* cffi: begin */
/* ---- trailer.c: layout. Values as they stand in the file, decoded. */
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

/* ---- keys.c */
struct rc_keystore; /* opaque; freed by rc_keystore_free */
/* Reads and checks a pubkeys.json. default_store != 0: refuse a store that accepts role dev (E_KEYS_ROLE). */
struct rc_keystore *rc_keystore_open(const char *path, int default_store, struct rc_error *err);
struct rc_keystore *rc_keystore_parse(const uint8_t *text, size_t len, int default_store, struct rc_error *err);
void rc_keystore_free(struct rc_keystore *store);

/* ---- verify.c: stages 0 to 8 in order */
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

/* ---- manifest.c, wasm.c: also callable alone (tools, tests, fuzz targets) */
int rc_manifest_check(const uint8_t *text, size_t len, const struct rc_statement *st, struct rc_error *err);
int rc_wasm_check(const uint8_t *wasm, size_t len, struct rc_error *err);        /* stage 8, kind 1 */
int rc_wasm_check_engine(const uint8_t *wasm, size_t len, struct rc_error *err); /* E_ENGINE_*: opcodes, nesting */
/* cffi: end */

#endif
