/* wire/frame.h: the binary encoding of docs/wire.md. In: bytes from a peer, or one syscall. Out: checked fields, or
 * bytes to send. */
#ifndef RC_FRAME_H
#define RC_FRAME_H

#include "base/base.h"
#include "base/sys.h"

enum {
    RC_FRAME_HEADER = 32,
    RC_FRAME_CALL = 64,  /* one record of SYSCALLS */
    RC_FRAME_REPLY = 16, /* one record of REPLIES */
    RC_FRAME_BODY_MAX = 1048576,
    RC_FRAME_COUNT_MAX = 64,
    RC_FRAME_STRING_MAX = 4096, /* Linux's PATH_MAX, with the NUL */
    /* Header, record and strings: what rc_frame_call writes at most. */
    RC_FRAME_CALL_MAX = RC_FRAME_HEADER + RC_FRAME_CALL + 2 * RC_FRAME_STRING_MAX,
};

enum rc_frame_type { RC_FRAME_SYSCALLS = 1, RC_FRAME_REPLIES = 2, RC_FRAME_MESSAGE = 3 };

struct rc_frame {
    uint32_t length; /* bytes after the header */
    uint16_t type;   /* enum rc_frame_type */
    uint32_t count;
    uint64_t id;
};

struct rc_frame_reply {
    int64_t ret;
    const uint8_t *data; /* into the body */
    uint32_t len;
};

/* Checks a header: E_RPC_FRAME. */
int rc_frame_header(const uint8_t header[RC_FRAME_HEADER], struct rc_frame *out, struct rc_error *err);

/* Splits the body of a REPLIES frame into out[frame->count]; the records and their data fill it exactly: E_RPC_FRAME.
 */
int rc_frame_replies(const struct rc_frame *frame, const uint8_t *body, struct rc_frame_reply *out,
                     struct rc_error *err);

/* Writes header, record and strings of one call; call->data is sent after them as it lies in memory.
 * Returns the bytes written, or -ENAMETOOLONG. data_len is at most RC_SYS_DATA_MAX. */
int rc_frame_call(const struct rc_call *call, uint64_t id, uint8_t out[RC_FRAME_CALL_MAX]);

/* Writes the header of a MESSAGE frame of `length` bytes. */
void rc_frame_message(uint8_t out[RC_FRAME_HEADER], uint32_t length);

#endif
