/* base/bytes.h: little-endian numbers in bytes. Byte by byte: a buffer is never cast to a struct, so alignment and the
 * host's byte order do not matter. */
#ifndef RC_BYTES_H
#define RC_BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t rc_load(const uint8_t *at, int size) {
    uint64_t value = 0;
    for (int i = size - 1; i >= 0; i--) {
        value = value << 8 | at[i];
    }
    return value;
}

static inline void rc_store(uint8_t *at, int size, uint64_t value) {
    for (int i = 0; i < size; i++, value >>= 8) {
        at[i] = (uint8_t)value;
    }
}

static inline uint32_t rc_u16(const uint8_t *p) {
    return (uint32_t)rc_load(p, 2);
}

static inline uint32_t rc_u32(const uint8_t *p) {
    return (uint32_t)rc_load(p, 4);
}

static inline uint64_t rc_u64(const uint8_t *p) {
    return rc_load(p, 8);
}

#endif
