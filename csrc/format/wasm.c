/* In: the bytes of a WASM section. Out: 0 when its outer structure, imports and exports are what a stub can start. */
#include <stdlib.h>
#include <string.h>

#include "format/trailer.h"

#define SECTION_IDS 13

/* The part of the module that is at hand: a module of a gigabyte is looked at in a few places only. */
struct window {
    const struct rc_source *source;
    uint64_t base; /* where the module begins in the source */
    uint64_t at, len;
    uint8_t bytes[4096];
};

struct cursor {
    struct window *window; /* shared by all cursors of a module */
    uint64_t at, end;
    struct rc_error *err;
};

static int bad(struct cursor *c, int code, const char *what) {
    return rc_fail(c->err, code, c->at, "%s at byte %llu of the module", what, (unsigned long long)c->at);
}

static int byte(struct cursor *c, uint32_t *value) {
    struct window *w = c->window;

    *value = 0;
    if (c->at == c->end) {
        return bad(c, RC_E_WASM_SECTION, "a section ends too early");
    }
    if (c->at < w->at || c->at - w->at >= w->len) {
        uint64_t left = c->end - c->at;

        w->at = c->at;
        w->len = left < sizeof w->bytes ? left : sizeof w->bytes;
        if (rc_source_read(w->source, w->base + w->at, w->bytes, (size_t)w->len, c->err)) {
            w->len = 0;
            return -1;
        }
    }
    *value = w->bytes[c->at++ - w->at];
    return 0;
}

/* Unsigned LEB128 of 32 bits: at most 5 bytes, the last without bits beyond 2^32. */
static int leb(struct cursor *c, uint32_t *value) {
    uint32_t b = 0x80;

    *value = 0;
    for (int shift = 0; b & 0x80; shift += 7) {
        if (byte(c, &b)) {
            return -1;
        }
        if (shift == 28 && b > 0x0F) {
            return bad(c, RC_E_WASM_SECTION, "a LEB128 integer beyond 32 bits");
        }
        *value |= (b & 0x7F) << shift;
    }
    return 0;
}

/* As much of a name as tells it from those that are known. */
struct name {
    char text[64];
    uint32_t len;
};

static int name(struct cursor *c, struct name *n) {
    uint32_t b;

    if (leb(c, &n->len)) {
        return -1;
    }
    if (n->len > c->end - c->at) {
        return bad(c, RC_E_WASM_SECTION, "a name is longer than its section");
    }
    for (uint32_t i = 0; i < n->len && i < sizeof n->text; i++) {
        if (byte(c, &b)) {
            return -1;
        }
        n->text[i] = (char)b;
    }
    if (n->len > sizeof n->text) {
        c->at += n->len - sizeof n->text;
    }
    return 0;
}

static int is(const struct name *n, const char *literal) {
    return strlen(literal) == n->len && !memcmp(literal, n->text, n->len);
}

/* ---- the frames of the sections */

struct frame {
    uint64_t at, end;
    int present;
};

static int frames(struct cursor *module, struct frame frame[SECTION_IDS]) {
    /* The order of the specification: DataCount (12) stands before Code (10). */
    static const uint8_t rank[SECTION_IDS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10};
    uint32_t id, size, last = 0;

    while (module->at < module->end) {
        struct cursor inside = *module;
        struct name custom;

        if (byte(module, &id)) {
            return -1;
        }
        if (id >= SECTION_IDS) {
            return bad(module, RC_E_WASM_SECTION, "a section with an unknown id");
        }
        if (id && rank[id] <= last) {
            return bad(module, RC_E_WASM_SECTION, "a section that is repeated or out of order");
        }
        if (leb(module, &size)) {
            return -1;
        }
        if (size > module->end - module->at) {
            return bad(module, RC_E_WASM_SECTION, "a section is longer than the module");
        }
        inside.at = module->at;
        inside.end = module->at += size;
        if (id == 0 && name(&inside, &custom)) {
            return -1;
        }
        if (id) {
            frame[id] = (struct frame){inside.at, inside.end, 1};
            last = rank[id];
        }
    }
    return 0;
}

/* ---- the contents of sections 2, 3, 7 and 10's count */

static const char *const wasi[] = {
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
};
_Static_assert(sizeof wasi / sizeof wasi[0] == 46, "WASI preview 1 has 46 functions");
static const char *const sock[] = {"sock_bind", "sock_connect", "sock_listen", "sock_open"};

static const struct {
    const char *module;
    const char *const *names;
    size_t count;
} importable[] = {
    {"wasi_snapshot_preview1", wasi, sizeof wasi / sizeof wasi[0]},
    {"recompiler_sock_v1", sock, sizeof sock / sizeof sock[0]},
};

static int allowed(const struct name *module, const struct name *function) {
    for (size_t i = 0; i < sizeof importable / sizeof importable[0]; i++) {
        for (size_t k = 0; is(module, importable[i].module) && k < importable[i].count; k++) {
            if (is(function, importable[i].names[k])) {
                return 1;
            }
        }
    }
    return 0;
}

static int import(struct cursor *c) {
    struct name module, field;
    uint32_t kind, type;

    if (name(c, &module) || name(c, &field) || byte(c, &kind)) {
        return -1;
    }
    if (kind != 0) {
        return bad(c, RC_E_WASM_IMPORT, "an import that is not a function");
    }
    if (!allowed(&module, &field)) {
        return rc_fail(c->err, RC_E_WASM_IMPORT, c->at, "import %.*s.%.*s is not one a stub provides",
                       (int)(module.len < 64 ? module.len : 64), module.text, (int)(field.len < 64 ? field.len : 64),
                       field.text);
    }
    return leb(c, &type);
}

struct found {
    int start, memory;
};

static int export(struct cursor *c, struct found *found) {
    enum { FUNCTION = 0, MEMORY = 2, LAST = 4 };
    struct name field;
    uint32_t kind, index;

    if (name(c, &field) || byte(c, &kind)) {
        return -1;
    }
    if (kind > LAST) {
        return bad(c, RC_E_WASM_SECTION, "an export of an unknown kind");
    }
    if (leb(c, &index)) {
        return -1;
    }
    found->start |= kind == FUNCTION && is(&field, "_start");
    found->memory |= kind == MEMORY && is(&field, "memory");
    return 0;
}

static int vector(const struct cursor *module, const struct frame *frame, int id, struct found *found,
                  uint32_t *count) {
    struct cursor c = *module;
    uint32_t type;

    *count = 0;
    if (!frame->present) {
        return 0;
    }
    c.at = frame->at;
    c.end = frame->end;
    if (leb(&c, count)) {
        return -1;
    }
    for (uint32_t i = 0; i < *count && id != 10; i++) {
        int failed = id == 2 ? import(&c) : id == 3 ? leb(&c, &type) : export(&c, found);

        if (failed) {
            return -1;
        }
    }
    return id == 10 || c.at == c.end ? 0 : bad(&c, RC_E_WASM_SECTION, "bytes after the last entry of a section");
}

int rc_wasm_header(const uint8_t *wasm, uint64_t len, struct rc_error *err) {
    if (len < 8 || memcmp(wasm, "\0asm\1\0\0", 8)) {
        return rc_fail(err, RC_E_WASM_HEADER, 0, "not a WebAssembly module of version 1");
    }
    return 0;
}

int rc_wasm_check_source(const struct rc_source *source, uint64_t offset, uint64_t len, struct rc_error *err) {
    struct window window = {.source = source, .base = offset};
    struct cursor module = {&window, 8, len, err};
    struct frame frame[SECTION_IDS] = {0};
    struct found found = {0};
    uint32_t functions, codes, unused;
    uint8_t head[8];

    if ((len >= sizeof head && rc_source_read(source, offset, head, sizeof head, err)) ||
        rc_wasm_header(head, len, err) || frames(&module, frame)) {
        return -1;
    }
    if (vector(&module, &frame[2], 2, &found, &unused) || vector(&module, &frame[3], 3, &found, &functions) ||
        vector(&module, &frame[7], 7, &found, &unused)) {
        return -1;
    }
    if (!found.start) {
        return rc_fail(err, RC_E_WASM_EXPORT, 0, "the module exports no function _start");
    }
    if (!found.memory) {
        return rc_fail(err, RC_E_WASM_EXPORT, 0, "the module exports no memory named memory");
    }
    if (vector(&module, &frame[10], 10, &found, &codes)) {
        return -1;
    }
    if (functions != codes) {
        return rc_fail(err, RC_E_WASM_SECTION, 0, "%u functions have %u bodies", (unsigned)functions, (unsigned)codes);
    }
    return 0;
}

int rc_wasm_check(const uint8_t *wasm, size_t len, struct rc_error *err) {
    struct rc_source module = {.fd = -1, .bytes = wasm, .size = len};

    return rc_wasm_check_source(&module, 0, len, err);
}
