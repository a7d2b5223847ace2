/* In: the text of a network rule, `10.0.0.0/8:443`, `[::1]:*` or `*:53`. Out: whether it is one. */
#include "format/netrule.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

static int decimal(const char *text, unsigned least, unsigned most) {
    size_t len = strspn(text, "0123456789");
    unsigned value = 0;

    if (len < 1 || len > 5 || text[len] || (len > 1 && *text == '0')) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    return value >= least && value <= most;
}

/* ADDRESS or ADDRESS/PREFIX */
static int address_ok(char *text, int family) {
    uint8_t binary[16];
    char *slash = strchr(text, '/');

    if (slash && !decimal(slash + 1, 0, family == AF_INET ? 32 : 128)) {
        return 0;
    }
    if (slash) {
        *slash = 0;
    }
    /* The character set first: C libraries differ outside it (zones, white space). */
    if (text[strspn(text, family == AF_INET ? "0123456789." : "0123456789abcdefABCDEF:.")]) {
        return 0;
    }
    return inet_pton(family, text, binary) == 1;
}

int rc_netrule_ok(char *text) {
    char *port = strrchr(text, ':');
    size_t len;

    if (!port) {
        return 0;
    }
    *port++ = 0;
    len = strlen(text);
    if (strcmp(port, "*") && !decimal(port, 1, 65535)) {
        return 0;
    }
    if (!strcmp(text, "*")) {
        return 1;
    }
    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text[len - 1] = 0;
        return address_ok(text + 1, AF_INET6);
    }
    return address_ok(text, AF_INET);
}
