/* In: pointers and lengths from the guest. Out: bytes that are all its own memory, or FAULT. */
#include "wasi/guest.h"

uint8_t *rc_wasi_at(const struct rc_wasi *w, uint64_t pointer, uint64_t len) {
    static uint8_t none; /* a module with an empty memory may have no base; len is 0 here */
    if (pointer > w->memory_size || len > w->memory_size - pointer) {
        return NULL;
    }
    return w->memory ? w->memory + pointer : &none;
}

uint32_t rc_wasi_iov(struct rc_wasi *w, uint64_t pointer, uint64_t count) {
    struct rc_wasi_state *s = w->state;
    s->iov_count = 0;
    s->iov_total = 0;
    if (count > RC_WASI_IOV_MAX) {
        return WASI_INVAL;
    }
    const uint8_t *vector = rc_wasi_at(w, pointer, count * 8);
    if (!vector) {
        return WASI_FAULT;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t len = rc_load(vector + 8 * i + 4, 4);
        uint8_t *base = rc_wasi_at(w, rc_load(vector + 8 * i, 4), len);
        if (!base) {
            return WASI_FAULT;
        }
        if (len > 0) {
            s->iov[s->iov_count++] = (struct rc_wasi_iov){base, len};
            s->iov_total += len;
        }
    }
    return s->iov_total > UINT32_MAX ? WASI_INVAL : WASI_SUCCESS;
}

/* Walks the pieces of [at, at + len) in order; exactly one of from and to is given. */
static void walk(const struct rc_wasi_state *s, uint64_t at, uint64_t len, const uint8_t *from, uint8_t *to) {
    uint64_t start = 0, done = 0;
    for (uint32_t i = 0; i < s->iov_count && done < len; start += s->iov[i].len, i++) {
        if (at + done >= start + s->iov[i].len) {
            continue;
        }
        uint8_t *piece = s->iov[i].base + (at + done - start);
        uint64_t room = start + s->iov[i].len - (at + done);
        uint64_t n = len - done < room ? len - done : room;
        if (from) {
            memcpy(piece, from + done, n);
        } else {
            memcpy(to + done, piece, n);
        }
        done += n;
    }
}

void rc_wasi_gather(const struct rc_wasi_state *s, uint64_t at, uint8_t *flat, uint64_t len) {
    walk(s, at, len, NULL, flat);
}

void rc_wasi_scatter(const struct rc_wasi_state *s, uint64_t at, const uint8_t *flat, uint64_t len) {
    walk(s, at, len, flat, NULL);
}
