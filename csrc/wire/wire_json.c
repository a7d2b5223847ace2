/* In: a syscall to write as a line of JSON, or a vkernel's line. Out: the line, or the line's fields. */
#include "wire/wire_json.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"

static const struct {
    uint32_t nr;
    const char *name, *places;
} syscalls[] = {
#define ROW(name, number, request, reply) {number, #name, request},
    RC_SYSCALLS(ROW)
#undef ROW
};

/* Writes forward; what does not fit sets full and is dropped. */
struct writer {
    char *at, *end;
    int full;
};

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct writer *w, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(w->at, (size_t)(w->end - w->at), format, arguments);
    va_end(arguments);
    if (n < 0 || n >= w->end - w->at) {
        w->full = 1;
    } else {
        w->at += n;
    }
}

/* 0 or -errno. Bytes that are no UTF-8 have no JSON string. */
static int put_string(struct writer *w, const char *text) {
    const size_t len = strnlen(text, PATH_MAX);
    if (len == PATH_MAX) {
        return -ENAMETOOLONG;
    }
    const int64_t n = rc_json_quote(text, len, w->at, (size_t)(w->end - w->at));
    w->at += n > 0 ? n : 0;
    w->full |= n == -1;
    return n == -2 ? -EILSEQ : 0;
}

int64_t rc_line_call(const struct rc_call *call, uint64_t id, char *out, size_t cap) {
    struct writer w = {.at = out, .end = out + cap};
    size_t row = 0;
    while (row < sizeof syscalls / sizeof *syscalls && syscalls[row].nr != call->nr) {
        row++;
    }
    if (row == sizeof syscalls / sizeof *syscalls) {
        return -ENOSYS;
    }
    put(&w, "{\"type\":\"syscall\",\"id\":%llu,\"name\":\"%s\",\"args\":[", (unsigned long long)id, syscalls[row].name);
    int strings = 0, has_data = 0;
    for (int place = 0; syscalls[row].places[place] != '\0'; place++) {
        char letter = syscalls[row].places[place];
        if (letter == 'd') {
            has_data = 1; /* always the last place */
            continue;
        }
        put(&w, place > 0 ? "," : "");
        if (letter == 'i') {
            put(&w, "%lld", (long long)call->arg[place]);
            continue;
        }
        const char *text = call->str[strings++];
        int bad = put_string(&w, text);
        if (bad < 0) {
            return bad;
        }
    }
    put(&w, "]");
    if (has_data) {
        put(&w, ",\"data\":\"");
        if (w.full || RC_BASE64_SIZE(call->data_len) + sizeof "\"}\n" > (size_t)(w.end - w.at)) {
            return -E2BIG;
        }
        w.at += rc_base64_encode(call->data, call->data_len, w.at);
        put(&w, "\"");
    }
    put(&w, "}\n");
    return w.full ? -E2BIG : w.at - out;
}

static const struct rc_json_rules rules = {.code = RC_E_RPC_JSON, .max_depth = 8};

/* String fields by name. */
static const struct {
    const char *name;
    size_t offset, size;
} texts[] = {
#define TEXT(field) {#field, offsetof(struct rc_line, field), sizeof(((struct rc_line *)0)->field)}
    TEXT(type),
    TEXT(status),
    TEXT(error),
    TEXT(message),
#undef TEXT
};

static int field(struct rc_json *j, struct rc_json_string key, int token, struct rc_line *out, struct rc_error *err) {
    if (token == RC_JSON_OBJECT || token == RC_JSON_ARRAY) {
        return rc_json_skip(j);
    }
    if (token == RC_JSON_INTEGER) {
        if (rc_json_is(key, "id")) {
            out->id = j->integer;
            out->has_id = 1;
        } else if (rc_json_is(key, "ret")) {
            out->ret = j->integer;
            out->has_ret = 1;
        } else if (rc_json_is(key, "sig")) {
            out->sig = j->integer;
            out->has_sig = 1;
        }
    } else if (token == RC_JSON_STRING && rc_json_is(key, "data")) {
        /* Both steps only ever shorten: the text is replaced where it stands. */
        char *place = (char *)(uintptr_t)j->string.text;
        int64_t len = rc_json_copy(j->string, place, j->string.len + 1);
        int64_t bytes = len < 0 ? -1 : rc_base64_decode(place, (size_t)len, place, (size_t)len);
        if (bytes < 0) {
            return rc_fail(err, RC_E_RPC_JSON, j->start, "data is not base64");
        }
        place[j->string.len] = '"'; /* rc_json_copy's NUL may stand there */
        out->data = (uint8_t *)place;
        out->data_len = (size_t)bytes;
    } else if (token == RC_JSON_STRING) {
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            char *to = (char *)out + texts[i].offset;
            if (rc_json_is(key, texts[i].name) && rc_json_copy(j->string, to, texts[i].size) < 0) {
                snprintf(to, texts[i].size, "(too long)");
            }
        }
    }
    return token == RC_JSON_ERROR ? -1 : 0;
}

int rc_line_parse(uint8_t *text, size_t len, struct rc_line *out, struct rc_error *err) {
    struct rc_json j;
    if (rc_json_valid(text, len, &rules, err) < 0) {
        return -1;
    }
    *out = (struct rc_line){0};
    rc_json_begin(&j, text, len, &rules, err);
    int token = rc_json_next(&j); /* the object: rc_json_valid has seen to it */
    while ((token = rc_json_next(&j)) == RC_JSON_KEY) {
        struct rc_json_string key = j.string;
        if (field(&j, key, rc_json_next(&j), out, err) < 0) {
            return -1;
        }
    }
    return token == RC_JSON_ERROR ? -1 : 0;
}
