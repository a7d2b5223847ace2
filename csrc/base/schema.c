/* In: a strict-JSON document and the tables of its schema. Out: the values in a C struct, or the first deviation. */
#include "base/schema.h"

#include <string.h>

/* The tables, not the input, decide how deep this gets: syntax was checked against a depth limit before. */
struct frame {
    const struct rc_shape *shape;
    const struct rc_field *field; /* OBJECT: the row of the key read last */
    uint8_t *to;
    uint64_t at;
    int64_t count;
    uint32_t seen;
};

static const char *const token_names[] = {
    [RC_OBJECT] = "an object", [RC_MAP] = "an object",      [RC_ARRAY] = "an array",
    [RC_STRING] = "a string",  [RC_INTEGER] = "an integer",
};
static const int tokens[] = {
    [RC_OBJECT] = RC_JSON_OBJECT, [RC_MAP] = RC_JSON_OBJECT,      [RC_ARRAY] = RC_JSON_ARRAY,
    [RC_STRING] = RC_JSON_STRING, [RC_INTEGER] = RC_JSON_INTEGER,
};

struct walk {
    struct rc_schema schema;
    struct frame stack[RC_JSON_DEPTH_MAX], *top; /* top NULL: outside the root */
};

/* The innermost field at or around f, for messages. */
static const char *field_name(const struct walk *w, const struct frame *f) {
    for (; f && f >= w->stack; f = f == w->stack ? NULL : f - 1) {
        if (f->shape->kind == RC_OBJECT && f->field) {
            return f->field->name;
        }
    }
    return "the document";
}

static int bad(const struct walk *w, const struct frame *f, uint64_t at, const char *what) {
    return rc_fail(w->schema.json.err, w->schema.code, at, "%s: %s (byte %llu)", field_name(w, f), what,
                   (unsigned long long)at);
}

static int key(struct walk *w) {
    struct rc_schema *s = &w->schema;
    struct frame *f = w->top;
    const struct rc_json_string name = s->json.string;
    const char *wrong = NULL;

    if (f->shape->kind == RC_MAP) {
        wrong = f->shape->take(s, NULL, name);
        return wrong ? bad(w, f, s->json.start, wrong) : 0;
    }
    for (f->field = f->shape->fields; f->field->name; f->field++) {
        if (rc_json_is(name, f->field->name)) {
            f->seen |= UINT32_C(1) << (f->field - f->shape->fields);
            return 0;
        }
    }
    f->field = NULL;
    return rc_fail(s->json.err, s->code, s->json.start, "unknown field %.*s (byte %zu)",
                   (int)(name.len < 64 ? name.len : 64), (const char *)name.text, s->json.start);
}

/* Which shape the value that comes next must have, and where it lands. */
static const struct rc_shape *place(struct frame *f, uint8_t **to) {
    *to = NULL;
    if (f->shape->kind == RC_OBJECT) {
        if (f->to && f->field->offset != RC_NOWHERE) {
            *to = f->to + f->field->offset;
        }
        return f->field->shape;
    }
    if (f->shape->kind == RC_ARRAY && f->count == f->shape->max) {
        return NULL;
    }
    if (f->to) {
        *to = f->to + f->shape->first + (size_t)f->count * f->shape->stride;
    }
    f->count++;
    return f->shape->item;
}

static const char *word(const struct rc_shape *shape, struct rc_json_string value, uint8_t *to) {
    for (int i = 0; shape->words[i]; i++) {
        if (rc_json_is(value, shape->words[i])) {
            if (to) {
                memcpy(to, &i, sizeof i);
            }
            return NULL;
        }
    }
    return "not one of the words allowed here";
}

static const char *scalar(struct rc_schema *s, const struct rc_shape *shape, uint8_t *to) {
    if (shape->kind == RC_INTEGER) {
        if (s->json.integer < shape->min || s->json.integer > shape->max) {
            return "out of range";
        }
        if (to) {
            memcpy(to, &s->json.integer, sizeof s->json.integer);
        }
        return NULL;
    }
    if (shape->words) {
        return word(shape, s->json.string, to);
    }
    return shape->take ? shape->take(s, to, s->json.string) : NULL;
}

static int close_top(struct walk *w) {
    struct frame *f = w->top, *outer = f == w->stack ? NULL : f - 1;
    const struct rc_shape *shape = f->shape;
    const char *wrong = NULL;

    if (shape->kind == RC_OBJECT) {
        for (const struct rc_field *row = shape->fields; row->name; row++) {
            if (row->required && !(f->seen >> (row - shape->fields) & 1)) {
                return rc_fail(w->schema.json.err, w->schema.code, f->at,
                               "%s: field %s is missing (object at byte %llu)", field_name(w, outer), row->name,
                               (unsigned long long)f->at);
            }
        }
    }
    if (shape->kind == RC_ARRAY && f->count < shape->min) {
        return bad(w, outer, f->at, "too few items");
    }
    if (shape->stride && f->to) {
        memcpy(f->to, &f->count, sizeof f->count);
    }
    if (shape->close && (wrong = shape->close(&w->schema, f->to, f->seen))) {
        return bad(w, outer, f->at, wrong);
    }
    w->top = outer;
    return 0;
}

static int value(struct walk *w, int token, void *out, const struct rc_shape *root) {
    struct rc_schema *s = &w->schema;
    const struct rc_shape *shape = root;
    const char *wrong;
    uint8_t *to = out;

    if (w->top && !(shape = place(w->top, &to))) {
        return bad(w, w->top, s->json.start, "too many items");
    }
    if (token != tokens[shape->kind]) {
        return rc_fail(s->json.err, s->code, s->json.start, "%s: must be %s (byte %zu)", field_name(w, w->top),
                       token_names[shape->kind], s->json.start);
    }
    if (token == RC_JSON_OBJECT || token == RC_JSON_ARRAY) {
        w->top = w->top ? w->top + 1 : w->stack;
        *w->top = (struct frame){.shape = shape, .to = to, .at = s->json.start};
        return 0;
    }
    wrong = scalar(s, shape, to);
    return wrong ? bad(w, w->top, s->json.start, wrong) : 0;
}

int rc_schema_read(const uint8_t *text, size_t len, const struct rc_json_rules *rules, const struct rc_shape *root,
                   int code, void *out, struct rc_error *err) {
    struct walk w = {.schema = {.code = code, .out = out}};
    int token, failed;

    if (rc_json_valid(text, len, rules, err)) {
        return -1;
    }
    rc_json_begin(&w.schema.json, text, len, rules, err);
    while ((token = rc_json_next(&w.schema.json)) != RC_JSON_END) {
        if (token == RC_JSON_KEY) {
            failed = key(&w);
        } else if (token == RC_JSON_OBJECT_END || token == RC_JSON_ARRAY_END) {
            failed = close_top(&w);
        } else {
            failed = token < 0 || value(&w, token, out, root);
        }
        if (failed) {
            return -1;
        }
    }
    return 0;
}

/* ---- hooks that several tables share */

const char *rc_take_digest(struct rc_schema *s, void *to, struct rc_json_string value) {
    static const char digits[] = "0123456789abcdef";
    uint8_t *out = to;
    char text[65];
    const char *high, *low;

    (void)s;
    if (rc_json_copy(value, text, sizeof text) != 64) {
        return "not 64 lower-case hex digits";
    }
    for (int i = 0; i < 32; i++) {
        high = text[2 * i] ? strchr(digits, text[2 * i]) : NULL;
        low = text[2 * i + 1] ? strchr(digits, text[2 * i + 1]) : NULL;
        if (!high || !low) {
            return "not 64 lower-case hex digits";
        }
        if (out) {
            out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
        }
    }
    return NULL;
}

/* [a-z0-9][a-z0-9._/-]*, at most 63 characters, no .. and no // */
int rc_subject_ok(const char *subject, size_t len) {
    if (len == 0 || len > 63) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        char c = subject[i];
        int word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!word && (i == 0 || (c != '.' && c != '_' && c != '/' && c != '-'))) {
            return 0;
        }
        if ((c == '.' || c == '/') && subject[i - 1] == c) {
            return 0;
        }
    }
    return 1;
}

const char *rc_take_subject(struct rc_schema *s, void *to, struct rc_json_string value) {
    char text[64];
    int64_t len = rc_json_copy(value, text, sizeof text);

    (void)s;
    if (len < 0 || !rc_subject_ok(text, (size_t)len)) {
        return "not a subject: [a-z0-9][a-z0-9._/-]*, at most 63 characters, no .. and no //";
    }
    if (to) {
        memcpy(to, text, (size_t)len + 1);
    }
    return NULL;
}
