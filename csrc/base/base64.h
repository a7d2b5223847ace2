/* base/base64.h: base64 of RFC 4648, padded, no white space: how bytes travel in the json encoding. */
#ifndef RC_BASE64_H
#define RC_BASE64_H

#include <stddef.h>
#include <stdint.h>

#define RC_BASE64_SIZE(n) (((n) + 2) / 3 * 4) /* characters for n bytes */

/* Writes RC_BASE64_SIZE(len) characters (no NUL) and returns their number. */
size_t rc_base64_encode(const void *data, size_t len, char *out);

/* Decodes text into out (cap bytes). Returns the number of bytes, or -1: not base64, not canonical, or more than cap.
 * out may be text itself: decoding never writes ahead of what it has read. */
int64_t rc_base64_decode(const char *text, size_t len, void *out, size_t cap);

#endif
