/* In: any bytes as a signed file. They are verified twice: as they are, and made true behind stage 4, so that mutations
 * reach the stages a mutated signature or digest would hide: the key ids become the store's, signatures pass
 * (linked with --wrap=rc_ed25519_verify), and the digests become those of the bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/keys.h"
#include "format/trailer.h"
#include "fuzz.h"

#define NOW 1800000000

static const uint8_t public_key[32] = {/* RFC 8032, 7.1, TEST 1 */
                                       0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
                                       0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
                                       0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
static int lenient;

int __real_rc_ed25519_verify(const uint8_t key[32], const uint8_t signature[64], const uint8_t *message, size_t len);
int __wrap_rc_ed25519_verify(const uint8_t key[32], const uint8_t signature[64], const uint8_t *message, size_t len);

int __wrap_rc_ed25519_verify(const uint8_t key[32], const uint8_t signature[64], const uint8_t *message, size_t len) {
    return lenient ? 0 : __real_rc_ed25519_verify(key, signature, message, len);
}

static const char *hex(const uint8_t bytes[32], char out[65]) {
    for (int i = 0; i < 32; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
    return out;
}

static struct rc_keystore *store(uint8_t id[32]) {
    char text[1024], id_text[65], pub_text[65];
    struct rc_keystore *made;
    struct rc_error err;

    rc_key_id(public_key, id);
    snprintf(text, sizeof text,
             "{\"schema\":\"recompiler/pubkeys/v1\",\"version\":1,\"threshold\":1,\"roles\":[\"dev\"],\"keys\":[{"
             "\"id\":\"%s\",\"alg\":\"ed25519\",\"pub\":\"%s\",\"label\":\"x\",\"role\":\"dev\",\"status\":\"active\","
             "\"not_before\":0,\"not_after\":1900000000,\"subjects\":[\"demo/*\"]}],"
             "\"minimum\":[{\"subject\":\"demo/hello\",\"security_version\":1}]}",
             hex(id, id_text), hex(public_key, pub_text));
    made = rc_keystore_parse((const uint8_t *)text, strlen(text), 0, &err);
    if (!made) {
        abort();
    }
    return made;
}

/* 1 when the file passes stages 1 to 4 and was made true behind them. */
static int make_true(uint8_t *file, size_t size, const uint8_t id[32]) {
    struct rc_source source = {.fd = -1, .bytes = file, .size = size};
    struct rc_trailer t;
    struct rc_error err;

    if (size < RC_FOOTER_SIZE || rc_trailer_read(&source, &t, &err) || rc_records_check(&t, &err)) {
        return 0;
    }
    memcpy(file + t.statement_off + RC_STATEMENT_SIZE + 16, id, 32);
    for (int i = 0; t.statement.kind == RC_EXECUTABLE && i < t.statement.section_count; i++) {
        const struct rc_section *s = &t.statement.section[i];

        rc_blake3(file + s->offset, (size_t)s->size, file + t.statement_off + 0x80 + 64 * i + 32);
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct rc_keystore *keys;
    static uint8_t id[32];
    struct rc_verified out;
    struct rc_error err;
    uint8_t *copy;

    if (!keys) {
        keys = store(id);
    }
    lenient = 0;
    if (!rc_verify_bytes(data, size, keys, NOW, 1, &out, &err)) {
        abort(); /* a forgery: no seed is signed by this store's key */
    }
    copy = malloc(size + 1);
    if (!copy) {
        return 0;
    }
    memcpy(copy, data, size);
    if (make_true(copy, size, id)) {
        lenient = 1;
        if (!rc_verify_bytes(copy, size, keys, NOW, 1, &out, &err)) {
            rc_verified_free(&out);
        }
    }
    free(copy);
    return 0;
}
