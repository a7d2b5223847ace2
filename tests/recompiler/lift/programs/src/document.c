// A JSON reader and writer, by recursive descent: stdin, or a document of its own; errors with their place.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NIL, BOOL, NUMBER, STRING, ARRAY, OBJECT };
struct value {
    enum kind kind;
    union {
        int truth;
        double number;
        char *text;
        struct {
            struct value *items;
            char **keys;
            int count;
        };
    };
};
static const char *start, *at;
static char *words(void) {
    char *out = malloc(strlen(at) + 1), *to = out;
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\') {
            switch (*++at) {
            case 'n':
                *to++ = '\n';
                break;
            case 't':
                *to++ = '\t';
                break;
            case 'u': {
                unsigned c = (unsigned)strtoul((char[]){at[1], at[2], at[3], at[4], 0}, NULL, 16);
                at += 4;
                if (c < 0x80) {
                    *to++ = (char)c;
                } else if (c < 0x800) {
                    *to++ = (char)(0xC0 | c >> 6), *to++ = (char)(0x80 | (c & 63));
                } else {
                    *to++ = (char)(0xE0 | c >> 12), *to++ = (char)(0x80 | (c >> 6 & 63)),
                    *to++ = (char)(0x80 | (c & 63));
                }
                break;
            }
            default:
                *to++ = *at;
            }
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
    if (*at) {
        at++;
    }
    return out;
}
static void blanks(void) {
    while (isspace((unsigned char)*at)) {
        at++;
    }
}
static struct value fail(const char *why) {
    fprintf(stderr, "%s at %ld\n", why, (long)(at - start));
    exit(3);
}
static struct value read_value(int depth) {
    struct value v = {NIL};
    blanks();
    if (depth > 50) {
        return fail("too deep");
    }
    switch (*at) {
    case '"':
        v.kind = STRING, v.text = words();
        return v;
    case 't':
        v.kind = BOOL, v.truth = 1, at += 4;
        return v;
    case 'f':
        v.kind = BOOL, v.truth = 0, at += 5;
        return v;
    case 'n':
        at += 4;
        return v;
    case '-':
    case '0' ... '9':
        v.kind = NUMBER, v.number = strtod(at, (char **)&at);
        return v;
    case '[':
    case '{': {
        char close = *at == '[' ? ']' : '}';
        v = (struct value){.kind = *at++ == '[' ? ARRAY : OBJECT};
        for (blanks(); *at != close; blanks()) {
            v.items = realloc(v.items, sizeof *v.items * (size_t)(v.count + 1));
            v.keys = realloc(v.keys, sizeof *v.keys * (size_t)(v.count + 1));
            v.keys[v.count] = NULL;
            if (v.kind == OBJECT) {
                if (*at != '"') {
                    return fail("no key");
                }
                v.keys[v.count] = words(), blanks();
                if (*at++ != ':') {
                    return fail("no colon");
                }
            }
            v.items[v.count] = read_value(depth + 1), v.count++;
            blanks();
            if (*at == ',') {
                at++;
            } else if (*at != close) {
                return fail("no comma");
            }
        }
        at++;
        return v;
    }
    default:
        return fail("no value");
    }
}
static void quoted(const char *text) {
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\'), putchar(*text);
        } else if ((unsigned char)*text < 32) {
            printf("\\u%04x", *text);
        } else {
            putchar(*text);
        }
    }
    putchar('"');
}
static void write_value(const struct value *v, int depth) {
    switch (v->kind) {
    case NIL:
        fputs("null", stdout);
        break;
    case BOOL:
        fputs(v->truth ? "true" : "false", stdout);
        break;
    case NUMBER:
        printf("%.15g", v->number);
        break;
    case STRING:
        quoted(v->text), free(v->text);
        break;
    default:
        putchar(v->kind == ARRAY ? '[' : '{');
        for (int n = 0; n < v->count; n++) {
            printf("%s\n%*s", n ? "," : "", depth * 2 + 2, "");
            if (v->keys[n]) {
                quoted(v->keys[n]), fputs(": ", stdout), free(v->keys[n]);
            }
            write_value(&v->items[n], depth + 1);
        }
        printf("\n%*s%c", depth * 2, "", v->kind == ARRAY ? ']' : '}');
        free(v->items), free(v->keys);
    }
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    static char text[65536] = "{\"a\": [1, 2.5e3, -0.125, 1e-300, {\"b\\n\": null, \"c\": [true, false, []]}], "
                              "\"\\u00e9\\u20ac\": \"x\\ty\\\"\"}";
    size_t size = fread(text + 32768, 1, 32767, stdin);
    start = at = size ? text + 32768 : text;
    struct value v = read_value(0);
    write_value(&v, 0), puts("");
    return 0;
}
