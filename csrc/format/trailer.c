/* In: the last bytes of a file. Out: its footer, statement and sections, checked (stages 1 to 3), or the first refusal.
 *
 *   kind 1   stub ELF | pad | wasm | pad | manifest | pad | [aot | pad] | STATEMENT 384 | n x SIGREC 112 | FOOTER 32
 *   kind 2                                                                STATEMENT 384 | n x SIGREC 112 | FOOTER 32
 *
 *   FOOTER      0 sig_count u32 | 4 statement_size u32 | 8 statement_off u64 | 16 MAGIC[16]
 *
 *   STATEMENT   0x00 domain[32]
 *               0x20 version u16 | section_count u16 | kind u16 | signer_count u16 | 0x28 signed_at u64
 *               0x30 expires_at u64                                                | 0x38 security_version u64
 *               0x40 subject[64]
 *               0x80 section[4], 64 each: type u32 | reserved u32 | offset u64 | size u64 | reserved u64 | blake3[32]
 */
#include "format/trailer.h"

#include <string.h>

#include "base/schema.h"

#define WINDOW        65536
#define MAGIC_SIZE    16
#define SIGNED_AT_MIN UINT64_C(1577836800) /* 2020-01-01 */
#define SIGNED_AT_MAX (UINT64_C(1) << 40)

static const struct {
    const char *name;
    uint64_t limit;
} sections[] = {
    [RC_STUB] = {"STUB", UINT64_C(64) << 20},
    [RC_WASM] = {"WASM", UINT64_C(1) << 30},
    [RC_MANIFEST] = {"MANIFEST", UINT64_C(64) << 20},
    [RC_AOT] = {"AOT", UINT64_C(16) << 30},
};

/* Which type stands at which position; 0: none. */
static const uint8_t positions[3][4] = {
    [RC_EXECUTABLE] = {RC_STUB, RC_WASM, RC_MANIFEST, RC_AOT},
    [RC_DETACHED] = {RC_WASM, RC_MANIFEST, RC_AOT, 0},
};

const char *rc_section_name(uint32_t type) {
    return type >= RC_STUB && type <= RC_AOT ? sections[type].name : "?";
}

/* MAGIC is made at run time, from a mask the compiler cannot see through: it must not lie in this program's .rodata,
 * where every grep for trailers would find it. */
static void magic(uint8_t out[MAGIC_SIZE]) {
    static const uint8_t masked[MAGIC_SIZE] = {0xd2, 0xc3, 0xcd, 0xd0, 0xcc, 0xd2, 0xad, 0xd4,
                                               0xd2, 0xc1, 0xc9, 0xcc, 0xc5, 0xd2, 0xad, 0xb1};
    static const volatile uint8_t mask = 0x80;

    for (int i = 0; i < MAGIC_SIZE; i++) {
        out[i] = masked[i] ^ mask;
    }
}

/* ---- stage 1: footer */

/* No MAGIC at EOF. One elsewhere in the window explains the refusal; it is never accepted. */
static int no_magic(const struct rc_source *source, const uint8_t mark[MAGIC_SIZE], const uint8_t *last,
                    struct rc_error *err) {
    uint8_t window[WINDOW];
    size_t len = source->size < WINDOW ? (size_t)source->size : WINDOW;

    if (!memcmp(last, mark, MAGIC_SIZE - 1)) {
        return rc_fail(err, RC_E_TRAILER_VERSION, source->size - 1, "a trailer of another version than 1");
    }
    if (rc_source_read(source, source->size - len, window, len, err)) {
        return -1;
    }
    for (size_t i = len - MAGIC_SIZE + 1; i-- > 0;) {
        if (!memcmp(window + i, mark, MAGIC_SIZE)) {
            size_t behind = len - MAGIC_SIZE - i;

            return rc_fail(err, RC_E_TRAILING_DATA, source->size - behind, "trailer ends %zu bytes before EOF", behind);
        }
    }
    return rc_fail(err, RC_E_NO_TRAILER, 0, "no trailer: this file was never signed, or its end was cut off");
}

static int footer(const struct rc_source *source, struct rc_trailer *t, struct rc_error *err) {
    uint64_t at = source->size - RC_FOOTER_SIZE, tail;
    uint8_t raw[RC_FOOTER_SIZE], mark[MAGIC_SIZE];

    if (rc_source_read(source, at, raw, sizeof raw, err)) {
        return -1;
    }
    magic(mark);
    if (memcmp(raw + 16, mark, MAGIC_SIZE)) {
        return no_magic(source, mark, raw + 16, err);
    }

    t->file_size = source->size;
    t->sig_count = rc_u32(raw);
    if (t->sig_count > RC_RECORDS_MAX) {
        return rc_fail(err, RC_E_SIG_COUNT, at, "%u signature records, at most 8 are allowed", (unsigned)t->sig_count);
    }
    if (rc_u32(raw + 4) != RC_STATEMENT_SIZE) {
        return rc_fail(err, RC_E_STATEMENT_SIZE, at + 4, "statement_size is %u, not 384", (unsigned)rc_u32(raw + 4));
    }
    tail = RC_FOOTER_SIZE + (uint64_t)RC_RECORD_SIZE * t->sig_count + RC_STATEMENT_SIZE;
    if (tail > source->size) {
        return rc_fail(err, RC_E_TRUNCATED, at, "the trailer needs %llu bytes, the file has %llu",
                       (unsigned long long)tail, (unsigned long long)source->size);
    }
    t->statement_off = source->size - tail;
    if (rc_u64(raw + 8) != t->statement_off) {
        return rc_fail(err, RC_E_STATEMENT_OFFSET, at + 8, "statement_off is %llu, the file's size asks for %llu",
                       (unsigned long long)rc_u64(raw + 8), (unsigned long long)t->statement_off);
    }
    if (t->statement_off % 16) {
        return rc_fail(err, RC_E_ALIGN, at + 8, "statement_off %llu is not a multiple of 16",
                       (unsigned long long)t->statement_off);
    }
    return 0;
}

/* ---- stage 2: header */

static int header(struct rc_trailer *t, struct rc_error *err) {
    static const uint8_t domain[32] = "recompiler/trailer/v1";
    struct rc_statement *st = &t->statement;
    const uint8_t *raw = st->raw;
    uint64_t at = t->statement_off;
    size_t len;

    if (memcmp(raw, domain, sizeof domain)) {
        return rc_fail(err, RC_E_DOMAIN, at, "the statement's domain is not recompiler/trailer/v1");
    }
    if (rc_u16(raw + 0x20) != 1) {
        return rc_fail(err, RC_E_VERSION, at + 0x20, "statement version %u, this reader knows 1",
                       (unsigned)rc_u16(raw + 0x20));
    }
    st->kind = (uint16_t)rc_u16(raw + 0x24);
    if (st->kind != RC_EXECUTABLE && st->kind != RC_DETACHED) {
        return rc_fail(err, RC_E_KIND, at + 0x24, "kind %u is neither 1 (executable) nor 2 (detached)", st->kind);
    }
    if (st->kind == RC_DETACHED && t->statement_off) {
        return rc_fail(err, RC_E_KIND, at + 0x24, "kind 2 (detached) has %llu bytes in front of its statement",
                       (unsigned long long)t->statement_off);
    }
    st->section_count = (uint16_t)rc_u16(raw + 0x22);
    if (st->section_count < (st->kind == RC_EXECUTABLE ? 3 : 2) || st->section_count > 4) {
        return rc_fail(err, RC_E_SECTION_COUNT, at + 0x22, "%u sections in a file of kind %u", st->section_count,
                       st->kind);
    }
    st->signer_count = (uint16_t)rc_u16(raw + 0x26);
    if (st->signer_count < 1 || st->signer_count > RC_RECORDS_MAX) {
        return rc_fail(err, RC_E_SIGNERS, at + 0x26, "signer_count is %u, it must be 1 to 8", st->signer_count);
    }
    if (t->sig_count && t->sig_count != st->signer_count) {
        return rc_fail(err, RC_E_SIGNERS, at + 0x26, "%u signatures are present, the statement asks for %u",
                       (unsigned)t->sig_count, st->signer_count);
    }

    st->signed_at = rc_u64(raw + 0x28);
    st->expires_at = rc_u64(raw + 0x30);
    st->security_version = rc_u64(raw + 0x38);
    if (st->signed_at < SIGNED_AT_MIN || st->signed_at > SIGNED_AT_MAX) {
        return rc_fail(err, RC_E_TIME, at + 0x28, "signed_at %llu is out of range", (unsigned long long)st->signed_at);
    }
    if (st->expires_at && st->expires_at <= st->signed_at) {
        return rc_fail(err, RC_E_TIME, at + 0x30, "expires_at %llu is not after signed_at",
                       (unsigned long long)st->expires_at);
    }

    memcpy(st->subject, raw + 0x40, 64);
    st->subject[64] = 0;
    len = strlen(st->subject);
    if (!rc_subject_ok(st->subject, len) || !rc_all_zero(raw + 0x40 + len, 64 - len)) {
        return rc_fail(err, RC_E_SUBJECT, at + 0x40, "the subject is not a NUL-padded name of [a-z0-9._/-]");
    }
    return 0;
}

/* ---- stage 3: sections */

/* The zero bytes behind a section. `end <= statement_off`, which is a multiple of 16, was checked. */
static int padding(const struct rc_source *source, uint64_t end, const char *name, struct rc_error *err) {
    uint8_t pad[16];
    size_t len = (size_t)(-end % 16);

    if (rc_source_read(source, end, pad, len, err)) {
        return -1;
    }
    if (!rc_all_zero(pad, len)) {
        return rc_fail(err, RC_E_PADDING, end, "the padding after section %s is not zero", name);
    }
    return 0;
}

static int section(const struct rc_source *source, struct rc_trailer *t, int i, uint64_t *end, struct rc_error *err) {
    struct rc_section *s = &t->statement.section[i];
    uint64_t at = 0x80 + 64 * (uint64_t)i, expected = *end + -*end % 16;
    const uint8_t *raw = t->statement.raw + at;
    const char *name;

    at += t->statement_off;
    s->type = rc_u32(raw);
    if (!s->type || s->type != positions[t->statement.kind][i]) {
        return rc_fail(err, RC_E_SECTION_TYPE, at, "slot %d holds type %u, which does not belong there", i,
                       (unsigned)s->type);
    }
    name = rc_section_name(s->type);
    if (rc_u32(raw + 4) || rc_u64(raw + 24)) {
        return rc_fail(err, RC_E_RESERVED, at + (rc_u32(raw + 4) ? 4 : 24), "section %s: reserved bits are set", name);
    }
    s->offset = rc_u64(raw + 8);
    s->size = rc_u64(raw + 16);
    memcpy(s->blake3, raw + 32, 32);
    if (s->offset != expected) {
        return rc_fail(err, RC_E_LAYOUT, at + 8, "section %s begins at %llu, it must begin at %llu", name,
                       (unsigned long long)s->offset, (unsigned long long)expected);
    }
    if (s->size == 0 || s->size > sections[s->type].limit) {
        return rc_fail(err, RC_E_SECTION_SIZE, at + 16, "section %s has %llu bytes, allowed are 1 to %llu", name,
                       (unsigned long long)s->size, (unsigned long long)sections[s->type].limit);
    }
    if (t->statement.kind == RC_DETACHED) {
        return 0;
    }
    if (s->offset > t->statement_off || s->size > t->statement_off - s->offset) {
        return rc_fail(err, RC_E_LAYOUT, at + 16, "section %s runs into the statement", name);
    }
    *end = s->offset + s->size;
    return padding(source, *end, name, err);
}

static int all_sections(const struct rc_source *source, struct rc_trailer *t, struct rc_error *err) {
    uint64_t end = 0, at = 0x80 + 64 * (uint64_t)t->statement.section_count;

    for (int i = 0; i < t->statement.section_count; i++) {
        if (section(source, t, i, &end, err)) {
            return -1;
        }
    }
    if (!rc_all_zero(t->statement.raw + at, RC_STATEMENT_SIZE - at)) {
        return rc_fail(err, RC_E_RESERVED, t->statement_off + at, "an unused section slot is not zero");
    }
    if (t->statement.kind == RC_EXECUTABLE && end + -end % 16 != t->statement_off) {
        return rc_fail(err, RC_E_LAYOUT, end, "%llu bytes between the last section and the statement belong to nothing",
                       (unsigned long long)(t->statement_off - end));
    }
    return 0;
}

int rc_trailer_read(const struct rc_source *source, struct rc_trailer *t, struct rc_error *err) {
    memset(t, 0, sizeof *t);
    if (footer(source, t, err)) {
        return -1;
    }
    if (rc_source_read(source, t->statement_off, t->statement.raw, RC_STATEMENT_SIZE, err) ||
        rc_source_read(source, t->statement_off + RC_STATEMENT_SIZE, t->records, t->sig_count * RC_RECORD_SIZE, err)) {
        return -1;
    }
    return header(t, err) || all_sections(source, t, err) ? -1 : 0;
}
