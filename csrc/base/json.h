/* base/json.h: strict JSON (docs/format.md, "Strict JSON"), pulled token by token. No recursion; the parser allocates
 * nothing. */
#ifndef RC_JSON_H
#define RC_JSON_H

#include "base/base.h"

#define RC_JSON_DEPTH_MAX 32

enum rc_json_token {
    RC_JSON_ERROR = -1,
    RC_JSON_END, /* the document is complete */
    RC_JSON_OBJECT,
    RC_JSON_OBJECT_END,
    RC_JSON_ARRAY,
    RC_JSON_ARRAY_END,
    RC_JSON_KEY,
    RC_JSON_STRING,
    RC_JSON_INTEGER,
    RC_JSON_TRUE,
    RC_JSON_FALSE,
    RC_JSON_NULL,
};

struct rc_json_rules {
    int code;      /* the RC_E_* of a syntax error */
    int max_depth; /* nested arrays and objects, at most RC_JSON_DEPTH_MAX */
    int plain;     /* the key store's profile: strings are printable ASCII without escapes */
};

struct rc_json_string {
    const uint8_t *text; /* between the quotes, escapes as written */
    size_t len;
};

struct rc_json {
    const uint8_t *text;
    size_t len;
    const struct rc_json_rules *rules;
    struct rc_error *err;
    size_t at;    /* the next byte to look at */
    size_t start; /* the first byte of the token handed out last */
    int depth;
    int expect;                   /* what the grammar allows next; private */
    uint32_t objects;             /* bit d: the container at depth d is an object */
    struct rc_json_string string; /* of RC_JSON_KEY and RC_JSON_STRING */
    int64_t integer;              /* of RC_JSON_INTEGER */
};

void rc_json_begin(struct rc_json *j, const uint8_t *text, size_t len, const struct rc_json_rules *rules,
                   struct rc_error *err);

/* The next token, or RC_JSON_ERROR with *err filled. Duplicate keys are rc_json_valid's to find. */
int rc_json_next(struct rc_json *j);

/* After RC_JSON_OBJECT or RC_JSON_ARRAY: reads to the end of that container. 0 or -1. */
int rc_json_skip(struct rc_json *j);

/* The whole document, duplicate keys included: 0 or -1. Up to 2048 keys need no allocation. */
int rc_json_valid(const uint8_t *text, size_t len, const struct rc_json_rules *rules, struct rc_error *err);

/* The character at *at, escapes decoded, and *at moved past it; -1 when there is none that is well-formed. */
int32_t rc_json_char(const uint8_t **at, const uint8_t *end);

/* 1 when these bytes are UTF-8: what a string of JSON can hold, control characters as escapes. */
int rc_json_utf8(const void *text, size_t len);

/* Unescaped UTF-8 with a NUL after it. Its length, or -1 when it does not fit into capacity bytes. */
int64_t rc_json_copy(struct rc_json_string s, char *out, size_t capacity);

/* Writes text as a JSON string, quotes included. The bytes written; -1: no room; -2: not UTF-8. */
int64_t rc_json_quote(const char *text, size_t len, char *out, size_t capacity);

/* 1 when the unescaped string is this ASCII literal, else 0. */
int rc_json_is(struct rc_json_string s, const char *literal);

/* Strings of one document by position, to find two equal ones of one group in O(n log n). */
struct rc_json_place {
    uint32_t group, at; /* at: the first byte after the opening quote */
    uint64_t hash;      /* rc_json_duplicate's */
};
/* Sorts place[]. The position of a repeated string, or -1. */
int64_t rc_json_duplicate(const uint8_t *text, size_t len, struct rc_json_place *place, size_t count);

#endif
