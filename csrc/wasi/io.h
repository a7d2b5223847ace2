/* wasi/io.h: moving bytes between the vector of rc_wasi_iov and the backend. Private to this folder. */
#ifndef RC_WASI_IO_H
#define RC_WASI_IO_H

#include "wasi/guest.h"

struct rc_wasi_transfer {
    int into_guest;   /* a read; its count stands at arg[1] */
    int whole;        /* go on after a full record, until the vector is done */
    int offset_place; /* which of call->arg is a file offset, 0 if none */
};

/* Runs call over the vector, as often as `how` says, and stores the bytes moved as u32 at out. */
uint32_t rc_wasi_transfer(struct rc_wasi *w, struct rc_call *call, const struct rc_wasi_transfer *how, uint8_t *out);

#endif
