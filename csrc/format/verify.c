/* In: a file, a key store, the time. Out: the verified statement (and bytes), or the first refusal in the normative
 * order.
 *
 *   0 open      a regular file of 32 bytes to 18 GiB                        base/source.c
 *   1 footer    2 header    3 sections                                      format/trailer.c
 *   4 records   5 keys, signatures, trust                                   format/records.c
 *   6 policy    expiry, clock, rollback, subjects                           here
 *   7 content   the digest of every section; the file has not changed      here
 *   8 meaning   stub, module, manifest                                      format/elf.c format/wasm.c
 * format/manifest.c
 *
 * One descriptor for everything. What is handed out, and the manifest, is what stage 7 hashed and stage 8 looked at; a
 * module that is not handed out is read twice, and E_CHANGED when its file changed meanwhile. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "format/keys.h"
#include "format/trailer.h"

#define FILE_SIZE_MAX (UINT64_C(18) << 30)
#define CHUNK         (32 << 10)
#define HUGE_PAGE     (UINT64_C(2) << 20)
#define HEAD          64
#define CLOCK_MIN     UINT64_C(1577836800) /* 2020-01-01: a clock before this was never set */
#define CLOCK_SKEW    300

/* ---- stage 6 */

static int policy(const struct rc_statement *st, const struct rc_keystore *store, uint64_t verified, uint64_t now,
                  struct rc_error *err) {
    int64_t allowed = 0;

    if (st->expires_at && now >= st->expires_at) {
        return rc_fail(err, RC_E_EXPIRED, 0, "%s expired at %llu (unix seconds)", st->subject,
                       (unsigned long long)st->expires_at);
    }
    if (now < CLOCK_MIN) {
        return rc_fail(err, RC_E_CLOCK, 0, "the clock says %llu: set it", (unsigned long long)now);
    }
    if (st->signed_at > now && st->signed_at - now > CLOCK_SKEW) {
        return rc_fail(err, RC_E_CLOCK, 0, "signed %llu s in the future: is the clock right?",
                       (unsigned long long)(st->signed_at - now));
    }
    for (int64_t i = 0; i < store->minimum.count; i++) {
        if (!strcmp(store->minimum.item[i].subject, st->subject) &&
            st->security_version < (uint64_t)store->minimum.item[i].security_version) {
            return rc_fail(err, RC_E_ROLLBACK, 0, "security version %llu of %s, the key store asks for %lld",
                           (unsigned long long)st->security_version, st->subject,
                           (long long)store->minimum.item[i].security_version);
        }
    }
    for (int64_t i = 0; i < store->keys.count; i++) {
        allowed += (verified >> i & 1) && rc_subject_allowed(&store->keys.item[i], st->subject);
    }
    if (allowed < store->threshold) {
        return rc_fail(err, RC_E_SUBJECT_DENIED, 0, "%lld of the signing keys may sign for %s, %lld are needed",
                       (long long)allowed, st->subject, (long long)store->threshold);
    }
    return 0;
}

/* ---- stage 7 */

struct content {
    uint8_t head[HEAD];   /* the first bytes, for the checks of headers */
    const uint8_t *bytes; /* all of them, when kept */
    uint8_t *owned;       /* where bytes were allocated, or NULL */
};

/* Authenticated sizes only. Huge pages: a gigabyte in 4 KiB pages costs more in faults than in hashing. */
static uint8_t *allocate(uint64_t size) {
    uint8_t *block;

    if (size < HUGE_PAGE) {
        return malloc((size_t)size);
    }
    size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    block = aligned_alloc(HUGE_PAGE, (size_t)size);
    if (block) {
        madvise(block, (size_t)size, MADV_HUGEPAGE);
    }
    return block;
}

static int no_memory(uint64_t size, struct rc_error *err) {
    return rc_fail(err, RC_E_NO_MEMORY, 0, "no memory for %llu bytes", (unsigned long long)size);
}

/* Hashes one section, chunk by chunk while each is warm, and keeps its bytes when asked to. */
static int section(const struct rc_source *source, const struct rc_section *s, int keep, uint8_t *chunk,
                   struct content *c, struct rc_error *err) {
    struct rc_blake3 h;
    uint8_t digest[32];

    if (source->bytes) {
        c->bytes = source->bytes + s->offset;
    } else if (keep && !(c->bytes = c->owned = allocate(s->size))) {
        return no_memory(s->size, err);
    }
    rc_blake3_init(&h);
    for (uint64_t done = 0; done < s->size; done += CHUNK) {
        size_t len = s->size - done < CHUNK ? (size_t)(s->size - done) : CHUNK;
        const uint8_t *at = c->bytes ? c->bytes + done : chunk;

        if (!source->bytes && rc_source_read(source, s->offset + done, c->owned ? c->owned + done : chunk, len, err)) {
            return -1;
        }
        if (done == 0) {
            memcpy(c->head, at, len < HEAD ? len : HEAD);
        }
        rc_blake3_update(&h, at, len);
    }
    rc_blake3_final(&h, digest);
    if (memcmp(digest, s->blake3, 32) && rc_source_unchanged(source, err)) {
        return -1; /* a file somebody writes to is to be tried again, not to be called forged */
    }
    if (memcmp(digest, s->blake3, 32)) {
        return rc_fail(err, RC_E_DIGEST, s->offset, "section %s is not the one that was signed",
                       rc_section_name(s->type));
    }
    return 0;
}

/* The file of a section: the file itself, or for kind 2 the one the caller opened for it. */
static int section_source(const struct rc_source *file, const struct rc_statement *st, const struct rc_section *s,
                          const int section_fds[5], struct rc_source *source, struct rc_error *err) {
    *source = *file;
    if (st->kind == RC_EXECUTABLE) {
        return 0;
    }
    if (!section_fds || section_fds[s->type] < 0) {
        return rc_fail(err, RC_E_OPEN, 0, "the file of section %s is not given", rc_section_name(s->type));
    }
    if (rc_source_fd(source, section_fds[s->type], err)) {
        return -1;
    }
    if (source->size != s->size) {
        return rc_fail(err, RC_E_DIGEST, 0, "the file of section %s has %llu bytes, signed were %llu",
                       rc_section_name(s->type), (unsigned long long)source->size, (unsigned long long)s->size);
    }
    return 0;
}

static int contents(const struct rc_source *file, const struct rc_statement *st, int load, const int section_fds[5],
                    struct content content[5], struct rc_error *err) {
    uint8_t *chunk = malloc(CHUNK);
    int result = chunk ? 0 : no_memory(CHUNK, err);

    for (int i = 0; i < st->section_count && !result; i++) {
        const struct rc_section *s = &st->section[i];
        int keep = s->type == RC_MANIFEST || (s->type == RC_WASM && load);
        struct rc_source source;

        result = section_source(file, st, s, section_fds, &source, err) ||
                 section(&source, s, keep, chunk, &content[s->type], err) ||
                 (st->kind == RC_DETACHED && rc_source_unchanged(&source, err));
    }
    free(chunk);
    return result || rc_source_unchanged(file, err) ? -1 : 0;
}

/* ---- stage 8 */

static const struct rc_section *find(const struct rc_statement *st, uint32_t type) {
    const struct rc_section *s = st->section;

    while (s->type != type) {
        s++;
    }
    return s;
}

/* A module that is not kept is read again here; that it is still the one that was hashed, rc_source_unchanged says. */
static int module_check(const struct rc_source *file, const struct rc_section *wasm, const struct content *c,
                        struct rc_error *err) {
    if (c->bytes) {
        return rc_wasm_check(c->bytes, (size_t)wasm->size, err);
    }

    int result = rc_wasm_check_source(file, wasm->offset, wasm->size, err);

    return rc_source_unchanged(file, err) || result ? -1 : 0;
}

static int meaning(const struct rc_source *file, const struct rc_statement *st, const struct content content[5],
                   struct rc_error *err) {
    const struct rc_section *wasm = find(st, RC_WASM), *manifest = find(st, RC_MANIFEST);

    if (st->kind == RC_EXECUTABLE) {
        if (rc_elf_check(content[RC_STUB].head, find(st, RC_STUB)->size, err) ||
            module_check(file, wasm, &content[RC_WASM], err)) {
            return -1;
        }
    } else if (rc_wasm_header(content[RC_WASM].head, wasm->size, err)) {
        return -1;
    }
    return rc_manifest_check(content[RC_MANIFEST].bytes, (size_t)manifest->size, st, err);
}

/* ---- all of them */

static int hand_out(struct content *c, const struct rc_section *s, uint8_t **bytes, size_t *size,
                    struct rc_error *err) {
    *size = (size_t)s->size;
    *bytes = c->owned;
    c->owned = NULL;
    if (*bytes) {
        return 0;
    }
    *bytes = allocate(s->size);
    if (!*bytes) {
        return no_memory(s->size, err);
    }
    memcpy(*bytes, c->bytes, *size);
    return 0;
}

static int verify(const struct rc_source *file, const struct rc_keystore *store, uint64_t now, int load,
                  const int section_fds[5], struct rc_verified *out, struct rc_error *err) {
    struct rc_trailer t;
    struct rc_statement *st = &t.statement;
    struct content content[5] = {0};
    uint64_t verified;
    int result;

    memset(out, 0, sizeof *out);
    /* 0 open */
    if (file->size < RC_FOOTER_SIZE) {
        return rc_fail(err, RC_E_TOO_SMALL, 0, "%llu bytes are too few for a trailer", (unsigned long long)file->size);
    }
    if (file->size > FILE_SIZE_MAX) {
        return rc_fail(err, RC_E_TOO_LARGE, 0, "more than 18 GiB");
    }
    /* 1 to 4: form */
    if (rc_trailer_read(file, &t, err) || rc_records_check(&t, err)) {
        return -1;
    }
    /* 5 keys */
    if (!store) {
        return rc_fail(err, RC_E_KEYS_OPEN, 0, "no key store");
    }
    if (rc_records_trust(&t, store, now, &verified, err)) {
        return -1;
    }
    /* 6 policy: from here on the statement's numbers are the signer's */
    if (policy(st, store, verified, now, err)) {
        return -1;
    }
    /* 7 content, 8 meaning */
    result =
        contents(file, st, load, section_fds, content, err) || meaning(file, st, content, err) ||
        (load && (hand_out(&content[RC_WASM], find(st, RC_WASM), &out->wasm, &out->wasm_size, err) ||
                  hand_out(&content[RC_MANIFEST], find(st, RC_MANIFEST), &out->manifest, &out->manifest_size, err)));
    for (int type = RC_STUB; type <= RC_AOT; type++) {
        free(content[type].owned);
    }
    if (result) {
        rc_verified_free(out);
        return -1;
    }
    out->statement = *st;
    out->file_size = file->size;
    for (; verified; verified &= verified - 1) {
        out->signatures_counted++;
    }
    return 0;
}

int rc_verify_fd(int fd, const struct rc_keystore *store, uint64_t now, int load, const int section_fds[5],
                 struct rc_verified *out, struct rc_error *err) {
    struct rc_source file;

    memset(out, 0, sizeof *out);
    return rc_source_fd(&file, fd, err) ? -1 : verify(&file, store, now, load, section_fds, out, err);
}

int rc_verify_bytes(const uint8_t *bytes, size_t size, const struct rc_keystore *store, uint64_t now, int load,
                    struct rc_verified *out, struct rc_error *err) {
    static const uint8_t nothing;
    struct rc_source file = {.fd = -1, .bytes = size ? bytes : &nothing, .size = size};

    return verify(&file, store, now, load, NULL, out, err);
}

void rc_verified_free(struct rc_verified *v) {
    free(v->wasm);
    free(v->manifest);
    v->wasm = v->manifest = NULL;
    v->wasm_size = v->manifest_size = 0;
}
