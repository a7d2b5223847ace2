/* In: the path or the text of a pubkeys.json. Out: a key store that passed every E_KEYS_* check, or the first refusal.
 */
#include "format/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/schema.h"
#include "base/source.h"

/* ---- the schema: one table per object */

/* `*`, a subject, or a subject followed by slash and star */
static const char *take_pattern(struct rc_schema *s, void *to, struct rc_json_string value) {
    char text[66];
    int64_t len = rc_json_copy(value, text, sizeof text), subject = len;

    (void)s;
    if (len > 2 && !memcmp(text + len - 2, "/*", 2)) {
        subject = len - 2;
    }
    if (len < 0 || (strcmp(text, "*") && !rc_subject_ok(text, (size_t)subject))) {
        return "not a pattern: *, a subject, or a subject followed by /*";
    }
    memcpy(to, text, (size_t)len + 1);
    return NULL;
}

static const char *take_label(struct rc_schema *s, void *to, struct rc_json_string value) {
    (void)s, (void)to;
    if (value.len < 1 || value.len > 64) {
        return "not 1 to 64 characters";
    }
    for (size_t i = 0; i < value.len; i++) {
        int c = value.text[i], letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z', digit = c >= '0' && c <= '9';

        if (!letter && !digit && c != '.' && c != '_' && c != '-') {
            return "a character outside [A-Za-z0-9._-]";
        }
    }
    return NULL;
}

static const char *close_roles(struct rc_schema *s, void *to, uint32_t seen) {
    const struct rc_keystore *store = s->out;

    (void)to, (void)seen;
    for (int64_t i = 0; i < store->roles.count; i++) {
        for (int64_t j = 0; j < i; j++) {
            if (store->roles.item[i] == store->roles.item[j]) {
                return "a role stands there twice";
            }
        }
    }
    return NULL;
}

static const char *close_key(struct rc_schema *s, void *to, uint32_t seen) {
    const struct rc_key *key = to;

    (void)s, (void)seen;
    return key->not_before < key->not_after ? NULL : "not_before must be less than not_after";
}

static const char *close_minimum(struct rc_schema *s, void *to, uint32_t seen) {
    const struct rc_keystore *store = s->out;

    (void)to, (void)seen;
    for (int64_t i = 0; i < store->minimum.count; i++) {
        for (int64_t j = 0; j < i; j++) {
            if (!strcmp(store->minimum.item[i].subject, store->minimum.item[j].subject)) {
                return "a subject stands there twice";
            }
        }
    }
    return NULL;
}

static const char *const schema_words[] = {"recompiler/pubkeys/v1", NULL}, *const alg_words[] = {"ed25519", NULL},
                         *const role_words[] = {"dev", "release", "recovery", NULL},
                         *const status_words[] = {"active", "retired", "revoked", NULL};

static const struct rc_shape schema_name = {.kind = RC_STRING, .words = schema_words},
                             alg = {.kind = RC_STRING, .words = alg_words},
                             role = {.kind = RC_STRING, .words = role_words},
                             status = {.kind = RC_STRING, .words = status_words},
                             digest = {.kind = RC_STRING, .take = rc_take_digest},
                             label = {.kind = RC_STRING, .take = take_label},
                             pattern = {.kind = RC_STRING, .take = take_pattern},
                             subject = {.kind = RC_STRING, .take = rc_take_subject},
                             number = {.kind = RC_INTEGER, .max = RC_INTEGER_MAX};

#define LIST(type, member, shape, least, most, hook)                                                                   \
    {.kind = RC_ARRAY,                                                                                                 \
     .item = &(shape),                                                                                                 \
     .min = (least),                                                                                                   \
     .max = (most),                                                                                                    \
     .first = offsetof(type, member.item) - offsetof(type, member),                                                    \
     .stride = sizeof(((type *)0)->member.item[0]),                                                                    \
     .close = (hook)}

static const struct rc_shape patterns = LIST(struct rc_key, subjects, pattern, 1, RC_SUBJECTS_MAX, NULL);

static const struct rc_field key_fields[] = {
    {"id", &digest, offsetof(struct rc_key, id), 1},
    {"alg", &alg, RC_NOWHERE, 1},
    {"pub", &digest, offsetof(struct rc_key, pub), 1},
    {"label", &label, RC_NOWHERE, 1},
    {"role", &role, offsetof(struct rc_key, role), 1},
    {"status", &status, offsetof(struct rc_key, status), 1},
    {"not_before", &number, offsetof(struct rc_key, not_before), 1},
    {"not_after", &number, offsetof(struct rc_key, not_after), 1},
    {"subjects", &patterns, offsetof(struct rc_key, subjects), 1},
    {0},
};
static const struct rc_shape key = {.kind = RC_OBJECT, .fields = key_fields, .close = close_key};

static const struct rc_field minimum_fields[] = {
    {"subject", &subject, 0, 1},
    {"security_version", &number,
     offsetof(struct rc_keystore, minimum.item[0].security_version) - offsetof(struct rc_keystore, minimum.item[0]), 1},
    {0},
};
static const struct rc_shape minimum = {.kind = RC_OBJECT, .fields = minimum_fields};

static const struct rc_shape roles = LIST(struct rc_keystore, roles, role, 1, 3, close_roles),
                             keys = LIST(struct rc_keystore, keys, key, 0, RC_KEYS_MAX, NULL),
                             minima = LIST(struct rc_keystore, minimum, minimum, 0, RC_MINIMUM_MAX, close_minimum);

static const struct rc_field store_fields[] = {
    {"schema", &schema_name, RC_NOWHERE, 1},
    {"version", &number, offsetof(struct rc_keystore, version), 1},
    {"threshold", &number, offsetof(struct rc_keystore, threshold), 1},
    {"roles", &roles, offsetof(struct rc_keystore, roles), 1},
    {"keys", &keys, offsetof(struct rc_keystore, keys), 1},
    {"minimum", &minima, offsetof(struct rc_keystore, minimum), 1},
    {0},
};
static const struct rc_shape store_shape = {.kind = RC_OBJECT, .fields = store_fields};

/* ---- what the keys themselves must be */

void rc_key_id(const uint8_t pub[32], uint8_t id[32]) {
    static const uint8_t domain[32] = "recompiler/keyid/ed25519/v1";
    struct rc_blake3 h;

    rc_blake3_init(&h);
    rc_blake3_update(&h, domain, sizeof domain);
    rc_blake3_update(&h, pub, 32);
    rc_blake3_final(&h, id);
}

int rc_role_accepted(const struct rc_keystore *store, int wanted) {
    for (int64_t i = 0; i < store->roles.count; i++) {
        if (store->roles.item[i] == wanted) {
            return 1;
        }
    }
    return 0;
}

int rc_subject_allowed(const struct rc_key *k, const char *name) {
    for (int64_t i = 0; i < k->subjects.count; i++) {
        const char *p = k->subjects.item[i];
        size_t len = strlen(p);

        if (p[len - 1] == '*' ? !strncmp(p, name, len - 1) : !strcmp(p, name)) {
            return 1;
        }
    }
    return 0;
}

static int check(const struct rc_keystore *store, int default_store, struct rc_error *err) {
    int64_t usable = 0, count = store->keys.count;
    const struct rc_key *all = store->keys.item;
    uint8_t id[32];

    for (int64_t i = 0; i < count; i++) {
        usable += all[i].status != RC_KEY_REVOKED;
    }
    if (!usable) {
        return rc_fail(err, RC_E_KEYS_EMPTY, 0, "the key store has no key that is not revoked");
    }
    for (int64_t i = 0; i < count; i++) {
        if (rc_ed25519_point_ok(all[i].pub)) {
            return rc_fail(err, RC_E_KEYS_POINT, 0, "key %lld is not a point of the prime-order subgroup",
                           (long long)i);
        }
        rc_key_id(all[i].pub, id);
        if (memcmp(id, all[i].id, 32)) {
            return rc_fail(err, RC_E_KEYS_ID, 0, "key %lld: id is not the one of its public key", (long long)i);
        }
        for (int64_t j = 0; j < i; j++) {
            if (!memcmp(all[i].pub, all[j].pub, 32)) {
                return rc_fail(err, RC_E_KEYS_DUPLICATE, 0, "keys %lld and %lld are the same", (long long)j,
                               (long long)i);
            }
        }
    }
    if (store->threshold < 1 || store->threshold > usable) {
        return rc_fail(err, RC_E_KEYS_THRESHOLD, 0, "threshold %lld with %lld usable keys", (long long)store->threshold,
                       (long long)usable);
    }
    if (default_store && rc_role_accepted(store, RC_ROLE_DEV)) {
        return rc_fail(err, RC_E_KEYS_ROLE, 0, "the default key store must not accept the role dev");
    }
    return 0;
}

struct rc_keystore *rc_keystore_parse(const uint8_t *text, size_t len, int default_store, struct rc_error *err) {
    static const struct rc_json_rules rules = {.code = RC_E_KEYS_SYNTAX, .max_depth = 4, .plain = 1};
    struct rc_keystore *store;

    if (len > RC_KEYS_SIZE) {
        rc_fail(err, RC_E_KEYS_TOO_LARGE, 0, "the key store has more than 65536 bytes");
        return NULL;
    }
    store = calloc(1, sizeof *store);
    if (!store) {
        rc_fail(err, RC_E_NO_MEMORY, 0, "no memory for a key store");
        return NULL;
    }
    if (rc_schema_read(text, len, &rules, &store_shape, RC_E_KEYS_SCHEMA, store, err) ||
        check(store, default_store, err)) {
        free(store);
        return NULL;
    }
    return store;
}

void rc_keystore_free(struct rc_keystore *store) {
    free(store);
}

/* ---- the file */

static int cannot_open(const char *path, struct rc_error *err) {
    return rc_fail(err, RC_E_KEYS_OPEN, 0, "cannot open the key store %s: %s%s", path, strerror(errno),
                   errno == ELOOP || errno == ENOTDIR ? " (a symlink on its path?)" : "");
}

/* openat(2) component by component: no symlink is followed anywhere. The descriptor of the file, or -1.
 * exposed: the error of the first directory that others can change; a file that cannot be opened comes before it. */
static int walk(const char *path, struct rc_error *exposed, struct rc_error *err) {
    const int directory = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const char *start = *path == '/' ? "/" : ".";
    int at = open(start, directory);
    const char *name = path;

    for (;;) {
        char component[256];
        size_t len;
        struct stat st;
        int next, last;

        if (at < 0 || fstat(at, &st)) {
            cannot_open(path, err);
            break;
        }
        if (!exposed->code) {
            rc_check_closed(&st, RC_E_KEYS_UNSAFE, name > path ? path : start, name > path ? (size_t)(name - path) : 1,
                            exposed);
        }
        name += strspn(name, "/");
        len = strcspn(name, "/");
        last = !name[len];
        if (!len || len >= sizeof component) {
            errno = len ? ENAMETOOLONG : EISDIR;
            cannot_open(path, err);
            break;
        }
        memcpy(component, name, len);
        component[len] = 0;
        name += len;
        /* O_NONBLOCK: a FIFO does not hold us up. */
        next = openat(at, component, last ? O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC : directory);
        if (last && next < 0) {
            cannot_open(path, err);
        }
        close(at);
        if (last) {
            return next;
        }
        at = next;
    }
    if (at >= 0) {
        close(at);
    }
    return -1;
}

static int64_t read_all(int fd, uint8_t *to, size_t capacity) {
    size_t len = 0;

    while (len < capacity) {
        ssize_t got = read(fd, to + len, capacity - len);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    return (int64_t)len;
}

static int64_t load(int fd, const char *path, const struct rc_error *exposed, uint8_t text[RC_KEYS_SIZE + 1],
                    struct rc_error *err) {
    struct stat before, after;
    int64_t len;

    if (fstat(fd, &before)) {
        return rc_fail(err, RC_E_KEYS_OPEN, 0, "cannot look at the key store: %s", strerror(errno));
    }
    if (!S_ISREG(before.st_mode) || before.st_nlink != 1) {
        return rc_fail(err, RC_E_KEYS_UNSAFE, 0, "the key store is not a regular file with one name");
    }
    if (exposed->code) {
        *err = *exposed;
        return -1;
    }
    if (rc_check_closed(&before, RC_E_KEYS_UNSAFE, path, strlen(path), err)) {
        return -1;
    }
    if (before.st_size > RC_KEYS_SIZE) {
        return rc_fail(err, RC_E_KEYS_TOO_LARGE, 0, "the key store has more than 65536 bytes");
    }
    len = read_all(fd, text, RC_KEYS_SIZE + 1);
    if (len < 0) {
        return rc_fail(err, RC_E_KEYS_OPEN, 0, "cannot read the key store: %s", strerror(errno));
    }
    if (fstat(fd, &after) || !rc_same_file(&before, &after) || len != before.st_size) {
        return rc_fail(err, RC_E_KEYS_CHANGED, 0, "the key store changed while it was read");
    }
    return len;
}

struct rc_keystore *rc_keystore_open(const char *path, int default_store, struct rc_error *err) {
    uint8_t text[RC_KEYS_SIZE + 1];
    int64_t len;
    struct rc_error exposed = {0};
    int fd = walk(path, &exposed, err);

    if (fd < 0) {
        return NULL;
    }
    len = load(fd, path, &exposed, text, err);
    close(fd);
    return len < 0 ? NULL : rc_keystore_parse(text, (size_t)len, default_store, err);
}
