/* In: any bytes as a binary frame of a vkernel. Checked: replies lie inside the body, in order, and fill it. */
#include <stdlib.h>

#include "fuzz.h"
#include "wire/frame.h"

const struct fuzz_word fuzz_words[] = {
    WORD("RCW1\x10\0\0\0\2\0\0\0\1\0\0\0"),
    WORD("\x02\0\0\0\x40\0\0\0"),
    WORD("\xff\xff\xff\xff\xff\xff\xff\xff"),
    WORD("\xff\xff\xff\x7f"),
    WORD("\x00\x00\x10\x00"),
    {0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rc_error err;
    struct rc_frame frame;
    struct rc_frame_reply reply[RC_FRAME_COUNT_MAX];

    if (size < RC_FRAME_HEADER || rc_frame_header(data, &frame, &err) < 0) {
        return 0;
    }
    /* A reader waits for the whole body: a longer frame is no frame yet. */
    const uint8_t *body = data + RC_FRAME_HEADER;
    if (frame.type != RC_FRAME_REPLIES || frame.length > size - RC_FRAME_HEADER ||
        rc_frame_replies(&frame, body, reply, &err) < 0) {
        return 0;
    }
    const uint8_t *at = body + (size_t)frame.count * RC_FRAME_REPLY;
    for (uint32_t k = 0; k < frame.count; k++) {
        if (reply[k].data != at) {
            abort();
        }
        at += reply[k].len;
    }
    if (at != body + frame.length) {
        abort();
    }
    return 0;
}
