/* In: bytes that claim to be strict JSON. Out: tokens one by one, or the first error with its offset. */
#include "base/json.h"

#include <string.h>

#define INTEGER_MAX ((INT64_C(1) << 53) - 1)

enum { TOP, FIRST_KEY, KEY, FIRST_VALUE, VALUE, NEXT, DONE };

static int bad(struct rc_json *j, size_t at, const char *what) {
    return rc_fail(j->err, j->rules->code, at, "not strict JSON: %s at byte %zu", what, at);
}

void rc_json_begin(struct rc_json *j, const uint8_t *text, size_t len, const struct rc_json_rules *rules,
                   struct rc_error *err) {
    *j = (struct rc_json){.text = text, .len = len, .rules = rules, .err = err, .expect = TOP};
}

/* ---- strings */

static int hex4(const uint8_t **at, const uint8_t *end) {
    int value = 0;

    if (end - *at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int c = *(*at)++, digit;

        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (c | 0x20) - 'a' + 10;
        } else {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

static int32_t escape(const uint8_t **at, const uint8_t *end) {
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *name;
    int high, low;

    if (*at == end) {
        return -1;
    }
    int c = *(*at)++;
    if (c != 'u') {
        name = c ? strchr(names, c) : NULL;
        return name ? meanings[name - names] : -1;
    }
    high = hex4(at, end);
    if (high < 0xD800 || high > 0xDFFF) {
        return high;
    }
    if (high > 0xDBFF || end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u') {
        return -1;
    }
    *at += 2;
    low = hex4(at, end);
    if (low < 0xDC00 || low > 0xDFFF) {
        return -1;
    }
    return 0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00));
}

/* RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF. */
static int32_t utf8(const uint8_t **at, const uint8_t *end) {
    int c = *(*at)++;
    if (c < 0x80) {
        return c;
    }
    int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (c < 0xC2 || c > 0xF4 || end - *at < more) {
        return -1;
    }
    int32_t value = c & (0x3F >> more);
    for (int i = 0; i < more; i++) {
        c = *(*at)++;
        if ((c & 0xC0) != 0x80) {
            return -1;
        }
        value = value << 6 | (c & 0x3F);
    }
    if (value < least[more] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return -1;
    }
    return value;
}

int rc_json_utf8(const void *text, size_t len) {
    const uint8_t *at = text, *end = at + len;

    while (at < end) {
        if (utf8(&at, end) < 0) {
            return 0;
        }
    }
    return 1;
}

int32_t rc_json_char(const uint8_t **at, const uint8_t *end) {
    if (*at == end) {
        return -1;
    }
    if (**at == '\\') {
        ++*at;
        return escape(at, end);
    }
    int32_t c = utf8(at, end);
    return c < 0x20 ? -1 : c;
}

static int string(struct rc_json *j) {
    const uint8_t *end = j->text + j->len, *at = j->text + j->at + 1;

    j->string.text = at;
    while (at < end && *at != '"') {
        const uint8_t *before = at;

        if (j->rules->plain && (*at > '~' || *at == '\\')) {
            return bad(j, (size_t)(at - j->text), "a string with an escape or outside printable ASCII");
        }
        if (rc_json_char(&at, end) < 0) {
            return bad(j, (size_t)(before - j->text), "an ill-formed character");
        }
    }
    if (at == end) {
        return bad(j, j->start, "a string without end");
    }
    j->string.len = (size_t)(at - j->string.text);
    j->at = (size_t)(at - j->text) + 1;
    return 0;
}

int64_t rc_json_copy(struct rc_json_string s, char *out, size_t capacity) {
    const uint8_t *at = s.text, *end = s.text + s.len;
    size_t len = 0;

    while (at < end) {
        int32_t c = rc_json_char(&at, end);
        int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};

        if (c < 0 || capacity <= (size_t)more + 1 || len >= capacity - 1 - (size_t)more) {
            return -1;
        }
        out[len++] = (char)(lead[more] | c >> 6 * more);
        while (more-- > 0) {
            out[len++] = (char)(0x80 | (c >> 6 * more & 0x3F));
        }
    }
    if (len >= capacity) {
        return -1;
    }
    out[len] = 0;
    return (int64_t)len;
}

int rc_json_is(struct rc_json_string s, const char *literal) {
    const uint8_t *at = s.text, *end = s.text + s.len;

    while (at < end) {
        if (!*literal || rc_json_char(&at, end) != (unsigned char)*literal++) {
            return 0;
        }
    }
    return !*literal;
}

/* ---- the other tokens */

static int integer(struct rc_json *j) {
    size_t at = j->at;
    int negative = j->text[at] == '-';
    size_t first = at += (size_t)negative;
    int64_t value = 0;

    for (; at < j->len && j->text[at] >= '0' && j->text[at] <= '9'; at++) {
        value = value * 10 + (j->text[at] - '0');
        if (value > INTEGER_MAX) {
            return bad(j, j->start, "an integer beyond 2^53-1");
        }
    }
    if (at == first) {
        return bad(j, j->start, "an ill-formed number");
    }
    if (j->text[first] == '0' && (at - first > 1 || negative)) {
        return bad(j, j->start, "a number that begins with 0, or -0");
    }
    j->integer = negative ? -value : value;
    j->at = at;
    return RC_JSON_INTEGER;
}

static int word(struct rc_json *j) {
    static const struct {
        const char *text;
        int token;
    } words[] = {{"true", RC_JSON_TRUE}, {"false", RC_JSON_FALSE}, {"null", RC_JSON_NULL}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i].text);

        if (j->len - j->at >= len && !memcmp(j->text + j->at, words[i].text, len)) {
            j->at += len;
            return words[i].token;
        }
    }
    return bad(j, j->start, "no value");
}

static int in_object(const struct rc_json *j) {
    return j->objects >> (j->depth - 1) & 1;
}

static int open_container(struct rc_json *j, int object) {
    if (j->depth == j->rules->max_depth) {
        return bad(j, j->start, "nesting too deep");
    }
    j->objects = (j->objects & ~(UINT32_C(1) << j->depth)) | (uint32_t)object << j->depth;
    j->depth++;
    j->at++;
    j->expect = object ? FIRST_KEY : FIRST_VALUE;
    return object ? RC_JSON_OBJECT : RC_JSON_ARRAY;
}

static int close_container(struct rc_json *j) {
    int object = in_object(j);

    j->at++;
    j->expect = --j->depth ? NEXT : DONE;
    return object ? RC_JSON_OBJECT_END : RC_JSON_ARRAY_END;
}

static int value(struct rc_json *j) {
    int c = j->text[j->at];

    if (c == '{' || c == '[') {
        return open_container(j, c == '{');
    }
    j->expect = NEXT;
    if (c == '"') {
        return string(j) ? RC_JSON_ERROR : RC_JSON_STRING;
    }
    return c == '-' || (c >= '0' && c <= '9') ? integer(j) : word(j);
}

/* The byte after any white space, or -1 at the end. */
static int peek(struct rc_json *j) {
    while (j->at < j->len && memchr(" \t\n\r", j->text[j->at], 4)) {
        j->at++;
    }
    j->start = j->at;
    return j->at < j->len ? j->text[j->at] : -1;
}

static int key(struct rc_json *j) {
    size_t start = j->start;

    if (string(j)) {
        return RC_JSON_ERROR;
    }
    if (peek(j) != ':') {
        return bad(j, j->start, "no colon after a key");
    }
    j->at++;
    j->start = start;
    j->expect = VALUE;
    return RC_JSON_KEY;
}

int rc_json_next(struct rc_json *j) {
    int c = peek(j);

    if (j->expect == DONE) {
        return c < 0 ? RC_JSON_END : bad(j, j->start, "something after the value");
    }
    if (j->expect == NEXT) {
        if (c == (in_object(j) ? '}' : ']')) {
            return close_container(j);
        }
        if (c != ',') {
            return bad(j, j->start, "neither a comma nor the container's end");
        }
        j->at++;
        j->expect = in_object(j) ? KEY : VALUE;
        c = peek(j);
    }
    if (c < 0) {
        return bad(j, j->start, "the document ends too early");
    }
    if ((j->expect == FIRST_KEY && c == '}') || (j->expect == FIRST_VALUE && c == ']')) {
        return close_container(j);
    }
    if (j->expect == FIRST_KEY || j->expect == KEY) {
        return c == '"' ? key(j) : bad(j, j->start, "no key");
    }
    if (j->expect == TOP && c != '{') {
        return bad(j, j->start, "the top value is not an object");
    }
    return value(j);
}

int rc_json_skip(struct rc_json *j) {
    int outside = j->depth - 1;

    while (j->depth > outside) {
        if (rc_json_next(j) < 0) {
            return -1;
        }
    }
    return 0;
}

int64_t rc_json_quote(const char *text, size_t len, char *out, size_t capacity) {
    static const char hex[] = "0123456789abcdef";
    const size_t longest = sizeof "\\u0000\"" - 1; /* a character, and the closing quote */
    size_t n = 0;
    if (!rc_json_utf8(text, len)) {
        return -2;
    }
    if (capacity < 2) {
        return -1;
    }
    out[n++] = '"';
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (capacity - n < longest) {
            return -1;
        }
        if (c < ' ') {
            memcpy(out + n, "\\u00", 4);
            out[n + 4] = hex[c >> 4];
            out[n + 5] = hex[c & 15];
            n += 6;
            continue;
        }
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
        }
        out[n++] = (char)c;
    }
    out[n++] = '"';
    return (int64_t)n;
}
