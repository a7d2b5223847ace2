/* In: a frame's bytes from a peer that may be hostile, or a syscall. Out: its fields, or E_RPC_FRAME; or the frame.
 *
 *     header 32 | count x record | the records' payloads in the same order          (docs/wire.md) */
#include "wire/frame.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

static const uint8_t frame_magic[4] = {'R', 'C', 'W', '1'};

/* Header fields by offset. */
enum { AT_LENGTH = 4, AT_TYPE = 8, AT_FLAGS = 10, AT_COUNT = 12, AT_ID = 16, AT_RESERVED = 24 };

/* Records a frame may hold, and the size of one, by type. */
static const struct {
    uint32_t least, most, record;
} shape[] = {
    [RC_FRAME_SYSCALLS] = {1, RC_FRAME_COUNT_MAX, RC_FRAME_CALL},
    [RC_FRAME_REPLIES] = {1, RC_FRAME_COUNT_MAX, RC_FRAME_REPLY},
    [RC_FRAME_MESSAGE] = {0, 0, 0},
};

int rc_frame_header(const uint8_t header[RC_FRAME_HEADER], struct rc_frame *out, struct rc_error *err) {
    struct rc_frame f = {
        .length = (uint32_t)rc_load(header + AT_LENGTH, 4),
        .type = (uint16_t)rc_load(header + AT_TYPE, 2),
        .count = (uint32_t)rc_load(header + AT_COUNT, 4),
        .id = rc_load(header + AT_ID, 8),
    };
    if (memcmp(header, frame_magic, sizeof frame_magic) != 0) {
        return rc_fail(err, RC_E_RPC_FRAME, 0, "frame does not begin with RCW1");
    }
    if (f.length > RC_FRAME_BODY_MAX) {
        return rc_fail(err, RC_E_RPC_FRAME, AT_LENGTH, "frame of %u bytes is over the limit", f.length);
    }
    if (f.type < RC_FRAME_SYSCALLS || f.type > RC_FRAME_MESSAGE) {
        return rc_fail(err, RC_E_RPC_FRAME, AT_TYPE, "frame type %u is unknown", f.type);
    }
    if (rc_load(header + AT_FLAGS, 2) != 0 || rc_load(header + AT_RESERVED, 8) != 0) {
        return rc_fail(err, RC_E_RPC_FRAME, AT_FLAGS, "reserved bits of the frame header are not zero");
    }
    if (f.count < shape[f.type].least || f.count > shape[f.type].most) {
        return rc_fail(err, RC_E_RPC_FRAME, AT_COUNT, "frame of type %u has %u records", f.type, f.count);
    }
    if (f.id > UINT64_MAX - f.count || (f.type == RC_FRAME_MESSAGE && f.id != 0)) {
        return rc_fail(err, RC_E_RPC_FRAME, AT_ID, "frame id is out of range");
    }
    if (f.length < f.count * shape[f.type].record) {
        return rc_fail(err, RC_E_RPC_FRAME, AT_LENGTH, "frame is shorter than its records");
    }
    *out = f;
    return 0;
}

int rc_frame_replies(const struct rc_frame *frame, const uint8_t *body, struct rc_frame_reply *out,
                     struct rc_error *err) {
    uint32_t at = frame->count * RC_FRAME_REPLY; /* the header's check made sure of these bytes */
    for (uint32_t k = 0; k < frame->count; k++) {
        const uint8_t *record = body + (size_t)k * RC_FRAME_REPLY;
        uint64_t where = RC_FRAME_HEADER + (uint64_t)k * RC_FRAME_REPLY;
        uint32_t len = (uint32_t)rc_load(record + 8, 4);
        if (rc_load(record + 12, 4) != 0) {
            return rc_fail(err, RC_E_RPC_FRAME, where, "reserved bits of reply %u are not zero", k);
        }
        if (len > frame->length - at) {
            return rc_fail(err, RC_E_RPC_FRAME, where, "data of reply %u ends outside the frame", k);
        }
        out[k] = (struct rc_frame_reply){.ret = (int64_t)rc_load(record, 8), .data = body + at, .len = len};
        at += len;
    }
    if (at != frame->length) {
        return rc_fail(err, RC_E_RPC_FRAME, RC_FRAME_HEADER + (uint64_t)at, "%u bytes after the last reply",
                       frame->length - at);
    }
    return 0;
}

static void write_header(uint8_t out[RC_FRAME_HEADER], const struct rc_frame *f) {
    memset(out, 0, RC_FRAME_HEADER);
    memcpy(out, frame_magic, sizeof frame_magic);
    rc_store(out + AT_LENGTH, 4, f->length);
    rc_store(out + AT_TYPE, 2, f->type);
    rc_store(out + AT_COUNT, 4, f->count);
    rc_store(out + AT_ID, 8, f->id);
}

int rc_frame_call(const struct rc_call *call, uint64_t id, uint8_t out[RC_FRAME_CALL_MAX]) {
    uint8_t *record = out + RC_FRAME_HEADER;
    uint8_t *at = record + RC_FRAME_CALL;
    for (int i = 0; i < 2 && call->str[i] != NULL; i++) {
        size_t size = strnlen(call->str[i], RC_FRAME_STRING_MAX) + 1;
        if (size > RC_FRAME_STRING_MAX) {
            return -ENAMETOOLONG;
        }
        memcpy(at, call->str[i], size);
        at += size;
    }
    uint32_t payload = (uint32_t)((size_t)(at - record) - RC_FRAME_CALL + call->data_len);
    write_header(out, &(struct rc_frame){RC_FRAME_CALL + payload, RC_FRAME_SYSCALLS, 1, id});
    memset(record, 0, RC_FRAME_CALL);
    rc_store(record, 4, call->nr);
    rc_store(record + 4, 4, payload);
    for (int i = 0; i < 6; i++) {
        rc_store(record + 8 + 8 * i, 8, (uint64_t)call->arg[i]);
    }
    return (int)(at - out);
}

void rc_frame_message(uint8_t out[RC_FRAME_HEADER], uint32_t length) {
    write_header(out, &(struct rc_frame){length, RC_FRAME_MESSAGE, 0, 0});
}
