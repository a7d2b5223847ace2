/* format/keys.h: a pubkeys.json in memory, as format/keys.c leaves it. The layout follows the document: base/schema.c
 * fills it.
 */
#ifndef RC_KEYS_H
#define RC_KEYS_H

#include "format/format.h"

#define RC_KEYS_MAX     64
#define RC_KEYS_SIZE    65536
#define RC_SUBJECTS_MAX 16
#define RC_MINIMUM_MAX  256

enum { RC_ROLE_DEV, RC_ROLE_RELEASE, RC_ROLE_RECOVERY };
enum { RC_KEY_ACTIVE, RC_KEY_RETIRED, RC_KEY_REVOKED };

struct rc_key {
    uint8_t id[32], pub[32];
    int role, status;
    int64_t not_before, not_after;
    struct {
        int64_t count;
        char item[RC_SUBJECTS_MAX][66]; /* patterns: a subject of 63 characters, slash, star, NUL */
    } subjects;
};

struct rc_keystore {
    int64_t version, threshold;
    struct {
        int64_t count;
        int item[3];
    } roles;
    struct {
        int64_t count;
        struct rc_key item[RC_KEYS_MAX];
    } keys;
    struct {
        int64_t count;
        struct {
            char subject[64];
            int64_t security_version;
        } item[RC_MINIMUM_MAX];
    } minimum;
};

/* key_id = BLAKE3("recompiler/keyid/ed25519/v1" NUL-padded to 32 || public key) */
void rc_key_id(const uint8_t pub[32], uint8_t id[32]);

/* 1 when the store accepts this role. */
int rc_role_accepted(const struct rc_keystore *store, int role);

/* 1 when one of the key's patterns matches the subject. */
int rc_subject_allowed(const struct rc_key *key, const char *subject);

#endif
