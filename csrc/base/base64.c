/* In: bytes, or base64 text (RFC 4648 section 4). Out: the other one. Only the canonical text of a value is accepted.
 */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t rc_base64_encode(const void *data, size_t len, char *out) {
    const uint8_t *in = data;
    char *at = out;
    for (; len >= 3; in += 3, len -= 3) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        *at++ = alphabet[bits >> 6 & 63];
        *at++ = alphabet[bits & 63];
    }
    if (len > 0) {
        uint32_t bits = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        *at++ = len == 2 ? alphabet[bits >> 6 & 63] : '=';
        *at++ = '=';
    }
    return (size_t)(at - out);
}

static int value(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int64_t rc_base64_decode(const char *text, size_t len, void *out, size_t cap) {
    uint8_t *at = out;
    if (len % 4 != 0) {
        return -1;
    }
    size_t padding = len > 0 && text[len - 1] == '=' ? 1 + (text[len - 2] == '=') : 0;
    size_t size = len / 4 * 3 - padding;
    if (size > cap) {
        return -1;
    }
    for (size_t i = 0; i < len; i += 4) {
        size_t keep = i + 4 == len ? 3 - padding : 3; /* bytes of this group */
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            int v = k <= keep ? value(text[i + k]) : 0;
            if (v < 0) {
                return -1;
            }
            bits = bits << 6 | (uint32_t)v;
        }
        uint32_t unused = keep == 3 ? 0 : keep == 2 ? 0xff : 0xffff;
        if (bits & unused) {
            return -1; /* the same bytes have another text */
        }
        for (size_t k = 0; k < keep; k++) {
            *at++ = (uint8_t)(bits >> (16 - 8 * k));
        }
    }
    return (int64_t)size;
}
