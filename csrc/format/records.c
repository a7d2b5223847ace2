/* In: a trailer's signature records and a key store. Out: which keys verified (stages 4 and 5), or the refusal.
 *
 *   SIGREC   0 alg u32 | 4 reserved[12] | 16 key_id[32] | 48 signature[64]
 */
#include <string.h>

#include "format/keys.h"
#include "format/trailer.h"

#define ALG_ED25519 1

int rc_records_check(const struct rc_trailer *t, struct rc_error *err) {
    uint64_t at = t->statement_off + RC_STATEMENT_SIZE;
    const uint8_t *record = t->records;

    if (t->sig_count == 0) {
        return rc_fail(err, RC_E_UNSIGNED, 0, "the file has a trailer without a signature");
    }
    for (uint32_t i = 0; i < t->sig_count; i++, record += RC_RECORD_SIZE, at += RC_RECORD_SIZE) {
        if (rc_u32(record) != ALG_ED25519) {
            return rc_fail(err, RC_E_SIG_ALG, at, "signature %u uses algorithm %u, known is 1 (Ed25519)", (unsigned)i,
                           (unsigned)rc_u32(record));
        }
        if (!rc_all_zero(record + 4, 12)) {
            return rc_fail(err, RC_E_RESERVED, at + 4, "signature %u: reserved bytes are set", (unsigned)i);
        }
        if (i && memcmp(record - RC_RECORD_SIZE + 16, record + 16, 32) >= 0) {
            return rc_fail(err, RC_E_SIG_ORDER, at + 16, "signature %u: key ids must increase", (unsigned)i);
        }
    }
    return 0;
}

/* Why a key does not count, in the order in which the verdict names them. */
static const struct {
    int code;
    const char *what;
} reasons[] = {
    {RC_E_KEY_REVOKED, "is revoked"},
    {RC_E_KEY_EXPIRED, "has expired"},
    {RC_E_KEY_NOT_YET, "is not valid yet"},
    {RC_E_KEY_ROLE, "has a role the key store does not accept"},
    {RC_E_KEY_UNKNOWN, "is not in the key store"},
};
enum { REVOKED, EXPIRED, NOT_YET, ROLE, UNKNOWN, COUNTABLE };

static int standing(const struct rc_keystore *store, const struct rc_key *key, uint64_t signed_at, uint64_t now) {
    /* A retired key signs nothing new: what it signed in its time stays valid. */
    uint64_t when = key && key->status == RC_KEY_RETIRED ? signed_at : now;

    if (!key) {
        return UNKNOWN;
    }
    if (key->status == RC_KEY_REVOKED) {
        return REVOKED;
    }
    if (when >= (uint64_t)key->not_after) {
        return EXPIRED;
    }
    if (when < (uint64_t)key->not_before) {
        return NOT_YET;
    }
    return rc_role_accepted(store, key->role) ? COUNTABLE : ROLE;
}

static const struct rc_key *find(const struct rc_keystore *store, const uint8_t id[32]) {
    for (int64_t i = 0; i < store->keys.count; i++) {
        if (!memcmp(store->keys.item[i].id, id, 32)) {
            return &store->keys.item[i];
        }
    }
    return NULL;
}

int rc_records_trust(const struct rc_trailer *t, const struct rc_keystore *store, uint64_t now, uint64_t *verified,
                     struct rc_error *err) {
    int first = COUNTABLE, n = 0;
    uint32_t named = 0;

    *verified = 0;
    for (uint32_t i = 0; i < t->sig_count; i++) {
        const uint8_t *record = t->records + i * RC_RECORD_SIZE;
        const struct rc_key *key = find(store, record + 16);
        int why = standing(store, key, t->statement.signed_at, now);

        if (why != COUNTABLE) {
            if (why < first) {
                first = why;
                named = i;
            }
            continue;
        }
        if (rc_ed25519_verify(key->pub, record + 48, t->statement.raw, RC_STATEMENT_SIZE)) {
            return rc_fail(err, RC_E_SIG_INVALID, t->statement_off + RC_STATEMENT_SIZE + i * RC_RECORD_SIZE + 48,
                           "signature %u of a trusted key does not verify", (unsigned)i);
        }
        /* Record ids strictly increase and a store holds no key twice: each bit is another key. */
        *verified |= UINT64_C(1) << (key - store->keys.item);
        n++;
    }
    if (n == 0) {
        return rc_fail(err, reasons[first].code, t->statement_off + RC_STATEMENT_SIZE + named * RC_RECORD_SIZE + 16,
                       "the key %02x%02x%02x%02x... that signed this file %s", t->records[named * RC_RECORD_SIZE + 16],
                       t->records[named * RC_RECORD_SIZE + 17], t->records[named * RC_RECORD_SIZE + 18],
                       t->records[named * RC_RECORD_SIZE + 19], reasons[first].what);
    }
    if (n < store->threshold) {
        return rc_fail(err, RC_E_THRESHOLD, 0, "%d trusted signatures, the key store asks for %lld", n,
                       (long long)store->threshold);
    }
    return 0;
}
