/* In: the bytes of a MANIFEST section, and the statement that names them. Out: 0, or the first E_MANIFEST_* refusal. */
#include <stdlib.h>
#include <string.h>

#include "base/schema.h"
#include "format/netrule.h"
#include "format/trailer.h"

struct artifact {
    uint8_t blake3[32];
    int64_t size;
};

/* What is kept of a manifest while it is checked. Rows of lists land on one another: each is judged when it closes. */
struct manifest {
    const struct rc_statement *st;
    char name[64];
    struct artifact wasm, aot;
    int aot_found;
    int entry_kind;
    int bad_path;
    uint64_t bad_path_at;
    struct rc_json_place *allowed; /* the names of policy.syscalls.allow */
    size_t allowed_count, allowed_capacity;
    int no_memory;
};

enum { KIND_SCRIPT = 3, KIND_POLYFILL = 4 };
static const char *const kind_words[] = {"elf", "library", "wasi", "script", "polyfill", NULL};

/* ---- strings */

static const char *take_text(struct rc_json_string value, char *to, size_t capacity, int64_t *len) {
    *len = rc_json_copy(value, to, capacity);
    return *len < 1 || memchr(to, 0, (size_t)*len) ? "empty or too long" : NULL;
}

static int hex_digits(const char *text, size_t least, size_t most) {
    size_t len = strspn(text, "0123456789abcdef");

    return len >= least && len <= most && !text[len];
}

static const char *take_image_digest(struct rc_schema *s, void *to, struct rc_json_string value) {
    char text[72];
    int64_t len;

    (void)s, (void)to;
    if (take_text(value, text, sizeof text, &len) || memcmp(text, "sha256:", 7) || !hex_digits(text + 7, 64, 64)) {
        return "not sha256: and 64 lower-case hex digits";
    }
    return NULL;
}

static const char *take_address(struct rc_schema *s, void *to, struct rc_json_string value) {
    char text[19];
    int64_t len;

    (void)s, (void)to;
    if (take_text(value, text, sizeof text, &len) || memcmp(text, "0x", 2) || !hex_digits(text + 2, 1, 16)) {
        return "not 0x and 1 to 16 lower-case hex digits";
    }
    return NULL;
}

static const char *take_export(struct rc_schema *s, void *to, struct rc_json_string value) {
    char text[256];
    int64_t len = rc_json_copy(value, text, sizeof text);

    (void)s, (void)to;
    return len < 1 ? "not 1 to 255 bytes" : NULL;
}

/* Controls (C0, DEL, C1) and the characters that turn the direction of text could make a path look like another. */
static int misleading(int32_t c) {
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x61C || c == 0x200E || c == 0x200F ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* Not empty, not "." and not ".." */
static int component_ok(size_t len, size_t dots) {
    return len && !(len == dots && dots <= 2);
}

static int path_ok(struct rc_json_string value) {
    const uint8_t *at = value.text, *end = at + value.len;
    size_t bytes = 1, len = 0, dots = 0;

    if (at == end || rc_json_char(&at, end) != '/') {
        return 0;
    }
    while (at < end) {
        int32_t c = rc_json_char(&at, end);

        bytes += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (misleading(c) || bytes > 4096) {
            return 0;
        }
        if (c == '/') {
            if (!component_ok(len, dots)) {
                return 0;
            }
            len = dots = 0;
        } else {
            len++;
            dots += c == '.';
        }
    }
    return component_ok(len, dots);
}

/* A bad path is its own code, which comes after every E_MANIFEST_SCHEMA: remembered, reported at the end. */
static const char *take_path(struct rc_schema *s, void *to, struct rc_json_string value) {
    struct manifest *m = s->out;

    (void)to;
    if (!m->bad_path && !path_ok(value)) {
        m->bad_path = 1;
        m->bad_path_at = s->json.start;
    }
    return NULL;
}

static const char *take_syscall(struct rc_schema *s, void *to, struct rc_json_string value) {
    struct manifest *m = s->out;
    char text[33];
    int64_t len;

    (void)to;
    if (take_text(value, text, sizeof text, &len) ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") != (size_t)len) {
        return "not the name of a syscall";
    }
    if (m->allowed_count == m->allowed_capacity) {
        size_t capacity = m->allowed_capacity ? 2 * m->allowed_capacity : 512;
        struct rc_json_place *more = realloc(m->allowed, capacity * sizeof *more);

        if (!more) {
            m->no_memory = 1;
            return "no memory";
        }
        m->allowed = more;
        m->allowed_capacity = capacity;
    }
    m->allowed[m->allowed_count++] = (struct rc_json_place){.at = (uint32_t)s->json.start + 1};
    return NULL;
}

static const char *close_allow(struct rc_schema *s, void *to, uint32_t seen) {
    struct manifest *m = s->out;

    (void)to, (void)seen;
    return rc_json_duplicate(s->json.text, s->json.len, m->allowed, m->allowed_count) < 0 ? NULL
                                                                                          : "a name stands there twice";
}

static const char *take_rule(struct rc_schema *s, void *to, struct rc_json_string value) {
    char text[72];
    int64_t len;

    (void)s, (void)to;
    return take_text(value, text, sizeof text, &len) || !rc_netrule_ok(text) ? "not a rule ADDRESS:PORT" : NULL;
}

/* ---- the schema: one table per object */

#define STRING(hook) {.kind = RC_STRING, .take = (hook)}
#define WORDS(list)  {.kind = RC_STRING, .words = (list)}
#define LIST(shape, least, most, hook)                                                                                 \
    {.kind = RC_ARRAY, .item = &(shape), .min = (least), .max = (most), .close = (hook)}
#define OBJECT(rows, hook) {.kind = RC_OBJECT, .fields = (rows), .close = (hook)}
#define AT(member)         offsetof(struct manifest, member)

static const char *const schema_words[] = {"recompiler/manifest/v1", NULL}, *const deny_words[] = {"deny", NULL};

static const struct rc_shape text = {.kind = RC_STRING}, schema_name = WORDS(schema_words), deny = WORDS(deny_words),
                             kind = WORDS(kind_words), digest = STRING(rc_take_digest),
                             subject = STRING(rc_take_subject), image_digest = STRING(take_image_digest),
                             address = STRING(take_address), export = STRING(take_export), path = STRING(take_path),
                             syscall_name = STRING(take_syscall), rule = STRING(take_rule),
                             number = {.kind = RC_INTEGER, .max = RC_INTEGER_MAX},
                             positive = {.kind = RC_INTEGER, .min = 1, .max = RC_INTEGER_MAX},
                             entry_number = {.kind = RC_INTEGER, .max = INT32_MAX};

static const struct rc_shape image_digests = LIST(image_digest, 0, RC_ANY_COUNT, NULL);
static const struct rc_field source_fields[] = {
    {"config", &image_digest, RC_NOWHERE, 1},
    {"diff_ids", &image_digests, RC_NOWHERE, 1},
    {"reference", &text, RC_NOWHERE, 1},
    {0},
};
static const struct rc_shape source = OBJECT(source_fields, NULL);

static const struct rc_field wasm_fields[] = {
    {"blake3", &digest, AT(wasm.blake3) - AT(wasm), 1},
    {"size", &number, AT(wasm.size) - AT(wasm), 1},
    {0},
};
static const struct rc_shape megabinary = OBJECT(wasm_fields, NULL);

static const struct rc_section *find(const struct rc_statement *st, uint32_t type) {
    for (int i = 0; st && i < st->section_count; i++) {
        if (st->section[i].type == type) {
            return &st->section[i];
        }
    }
    return NULL;
}

static int names(const struct artifact *artifact, const struct rc_section *section) {
    return (uint64_t)artifact->size == section->size && !memcmp(artifact->blake3, section->blake3, 32);
}

static const char *close_aot(struct rc_schema *s, void *to, uint32_t seen) {
    struct manifest *m = s->out;
    const struct rc_section *section = find(m->st, RC_AOT);

    (void)to, (void)seen;
    m->aot_found |= section && names(&m->aot, section);
    return NULL;
}

static const struct rc_field aot_fields[] = {
    {"target", &text, RC_NOWHERE, 1},
    {"engine", &text, RC_NOWHERE, 1},
    {"settings", &text, RC_NOWHERE, 1},
    {"blake3", &digest, AT(aot.blake3) - AT(aot), 1},
    {"size", &number, AT(aot.size) - AT(aot), 1},
    {0},
};
static const struct rc_shape aot_row = OBJECT(aot_fields, close_aot);
static const struct rc_shape aot = LIST(aot_row, 0, RC_ANY_COUNT, NULL);

static const struct rc_shape paths = LIST(path, 1, RC_ANY_COUNT, NULL);
static const struct rc_field entry_fields[] = {
    {"entry", &entry_number, RC_NOWHERE, 1},
    {"export", &export, RC_NOWHERE, 1},
    {"kind", &kind, 0, 1},
    {"paths", &paths, RC_NOWHERE, 1},
    {"original", &digest, RC_NOWHERE, 0},
    {"interpreter", &digest, RC_NOWHERE, 0},
    {"argument", &text, RC_NOWHERE, 0},
    {"replaces", &digest, RC_NOWHERE, 0},
    {"provider", &text, RC_NOWHERE, 0},
    {0},
};
enum { INTERPRETER = 1 << 5, ARGUMENT = 1 << 6, REPLACES = 1 << 7, PROVIDER = 1 << 8 };

static const char *close_entry(struct rc_schema *s, void *to, uint32_t seen) {
    static const struct {
        uint32_t required, allowed;
    } rules[] = {
        [KIND_SCRIPT] = {INTERPRETER, INTERPRETER | ARGUMENT},
        [KIND_POLYFILL] = {REPLACES | PROVIDER, REPLACES | PROVIDER},
    };
    const struct manifest *m = s->out;
    uint32_t special = seen & (INTERPRETER | ARGUMENT | REPLACES | PROVIDER);

    (void)to;
    if ((special & rules[m->entry_kind].required) != rules[m->entry_kind].required) {
        return "an entry lacks a field that its kind needs";
    }
    return special & ~rules[m->entry_kind].allowed ? "an entry has a field that its kind does not know" : NULL;
}

static const struct rc_shape entry = OBJECT(entry_fields, close_entry);
static const struct rc_shape entries = {.kind = RC_MAP, .item = &entry, .take = rc_take_digest};

static const struct rc_field omitted_fields[] = {
    {"path", &path, RC_NOWHERE, 1},
    {"blake3", &digest, RC_NOWHERE, 1},
    {"reason", &text, RC_NOWHERE, 1},
    {0},
};
static const struct rc_shape omitted_row = OBJECT(omitted_fields, NULL),
                             omitted = LIST(omitted_row, 0, RC_ANY_COUNT, NULL);

static const struct rc_field stub_fields[] = {
    {"file", &digest, RC_NOWHERE, 1},
    {"address", &address, RC_NOWHERE, 1},
    {"reason", &text, RC_NOWHERE, 1},
    {0},
};
static const struct rc_shape stub_row = OBJECT(stub_fields, NULL), stubs = LIST(stub_row, 0, RC_ANY_COUNT, NULL);
static const struct rc_field coverage_fields[] = {
    {"functions", &number, RC_NOWHERE, 1},
    {"lifted", &number, RC_NOWHERE, 1},
    {"stubs", &stubs, RC_NOWHERE, 1},
    {0},
};
static const struct rc_shape coverage = OBJECT(coverage_fields, NULL);

static const struct rc_shape allow = LIST(syscall_name, 0, RC_ANY_COUNT, close_allow),
                             rules = LIST(rule, 0, RC_ANY_COUNT, NULL), no_mounts = LIST(text, 0, 0, NULL);
static const struct rc_field syscalls_fields[] = {
    {"default", &deny, RC_NOWHERE, 1},
    {"allow", &allow, RC_NOWHERE, 1},
    {0},
};
static const struct rc_shape syscalls = OBJECT(syscalls_fields, NULL);
static const struct rc_field network_fields[] = {
    {"connect", &rules, RC_NOWHERE, 1},
    {"bind", &rules, RC_NOWHERE, 0},
    {0},
};
static const struct rc_shape network = OBJECT(network_fields, NULL);
static const struct rc_field limits_fields[] = {
    {"memory_bytes", &positive, RC_NOWHERE, 1},
    {"processes", &positive, RC_NOWHERE, 1},
    {"open_files", &positive, RC_NOWHERE, 1},
    {0},
};
static const struct rc_shape limits = OBJECT(limits_fields, NULL);
static const struct rc_field policy_fields[] = {
    {"syscalls", &syscalls, RC_NOWHERE, 1},
    {"network", &network, RC_NOWHERE, 1},
    {"mounts", &no_mounts, RC_NOWHERE, 1},
    {"limits", &limits, RC_NOWHERE, 1},
    {0},
};
static const struct rc_shape policy = OBJECT(policy_fields, NULL);

static const struct rc_field manifest_fields[] = {
    {"schema", &schema_name, RC_NOWHERE, 1},
    {"name", &subject, AT(name), 1},
    {"source", &source, RC_NOWHERE, 0},
    {"megabinary", &megabinary, AT(wasm), 1},
    {"aot", &aot, AT(aot), 0},
    {"entries", &entries, AT(entry_kind), 1},
    {"omitted", &omitted, RC_NOWHERE, 0},
    {"coverage", &coverage, RC_NOWHERE, 0},
    {"policy", &policy, RC_NOWHERE, 1},
    {0},
};
static const struct rc_shape manifest_shape = OBJECT(manifest_fields, NULL);

static int check(struct manifest *m, const uint8_t *document, size_t len, struct rc_error *err) {
    static const struct rc_json_rules syntax = {.code = RC_E_MANIFEST_SYNTAX, .max_depth = 16};
    const struct rc_section *section;

    if (rc_schema_read(document, len, &syntax, &manifest_shape, RC_E_MANIFEST_SCHEMA, m, err)) {
        return m->no_memory ? rc_fail(err, RC_E_NO_MEMORY, 0, "no memory for the manifest's syscalls") : -1;
    }
    if (m->bad_path) {
        return rc_fail(err, RC_E_MANIFEST_PATH, m->bad_path_at, "a path is not plain and absolute (byte %llu)",
                       (unsigned long long)m->bad_path_at);
    }
    if (!m->st) {
        return 0;
    }
    if (strcmp(m->name, m->st->subject)) {
        return rc_fail(err, RC_E_MANIFEST_NAME, 0, "the manifest's name is %s, the statement's subject is %s", m->name,
                       m->st->subject);
    }
    section = find(m->st, RC_WASM);
    if (!section || !names(&m->wasm, section)) {
        return rc_fail(err, RC_E_MANIFEST_WASM, 0, "megabinary is not the digest and size of section WASM");
    }
    if (find(m->st, RC_AOT) && !m->aot_found) {
        return rc_fail(err, RC_E_AOT_MANIFEST, 0, "no row of aot has the digest and size of section AOT");
    }
    return 0;
}

int rc_manifest_check(const uint8_t *document, size_t len, const struct rc_statement *st, struct rc_error *err) {
    struct manifest m = {.st = st};
    int result = check(&m, document, len, err);

    free(m.allowed);
    return result;
}
