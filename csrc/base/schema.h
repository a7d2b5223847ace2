/* base/schema.h: a strict-JSON document against tables of what it may hold. Out: a filled C struct, or the first error.
 */
#ifndef RC_SCHEMA_H
#define RC_SCHEMA_H

#include "base/json.h"

enum rc_shape_kind { RC_OBJECT, RC_MAP, RC_ARRAY, RC_STRING, RC_INTEGER };

struct rc_schema;

/* What a value may be. `to` is where it lands, or NULL when nobody keeps it. A hook returns NULL, or what is wrong. */
struct rc_shape {
    int kind;
    const struct rc_field *fields; /* OBJECT: ends with name NULL, at most 32 */
    const struct rc_shape *item;   /* MAP, ARRAY: the values */
    int64_t min, max;              /* INTEGER: the value; ARRAY: the count */
    size_t first, stride;          /* ARRAY: item i lands at to + first + i * stride, the int64_t count at to;
                                    * stride 0: the items land on one another, and no count is kept */
    const char *const *words;      /* STRING: one of these; its index lands as an int */
    const char *(*take)(struct rc_schema *s, void *to, struct rc_json_string value); /* STRING; MAP: each key */
    const char *(*close)(struct rc_schema *s, void *to, uint32_t seen); /* containers; seen: bit per row of fields */
};

struct rc_field {
    const char *name;
    const struct rc_shape *shape;
    size_t offset; /* RC_NOWHERE: nobody keeps it */
    int required;
};
#define RC_NOWHERE     SIZE_MAX
#define RC_ANY_COUNT   INT64_MAX
#define RC_INTEGER_MAX ((INT64_C(1) << 53) - 1)

struct rc_schema {
    struct rc_json json;
    int code;  /* the RC_E_* of a schema error */
    void *out; /* the root's `to`, for hooks */
};

/* Syntax of the whole document first (rules->code), then the tables (code). 0 or -1 with *err filled. */
int rc_schema_read(const uint8_t *text, size_t len, const struct rc_json_rules *rules, const struct rc_shape *root,
                   int code, void *out, struct rc_error *err);

/* Hooks that several tables share. */
const char *rc_take_digest(struct rc_schema *s, void *to, struct rc_json_string value);  /* 64 hex: uint8_t[32] */
const char *rc_take_subject(struct rc_schema *s, void *to, struct rc_json_string value); /* char[64] */
int rc_subject_ok(const char *subject, size_t len);

#endif
