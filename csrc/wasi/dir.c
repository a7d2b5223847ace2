/* In: a directory fd and a cookie. Out: WASI dirents from getdents64(2).
 * A cookie is d_off of the entry before it; 0 is the beginning. Each call seeks, because the guest may come back to any
 * cookie and the backend may have read ahead of what fitted. */
#include "wasi/guest.h"

#include <errno.h>

#include "wasi/linux.h"

enum { WASI_DIRENT = 24, CHUNK_MIN = 512, CHUNK_MAX = 32768 };

/* Fills buf with as many whole entries as it has room for, and the beginning of the next one: a used buffer that is
 * full says "there may be more", and only one that is not full says "this was the end". */
struct filling {
    uint8_t *buf;
    uint64_t len, used;
};

static void append(struct filling *f, const uint8_t *bytes, uint64_t len) {
    uint64_t room = f->len - f->used;
    uint64_t n = len < room ? len : room;
    memcpy(f->buf + f->used, bytes, n);
    f->used += n;
}

/* One struct linux_dirent64 of at most left bytes; its size, or -EIO. */
static int64_t append_entry(struct filling *f, const uint8_t *entry, uint64_t left) {
    uint8_t head[WASI_DIRENT];
    if (left <= DIRENT_NAME) {
        return -EIO;
    }
    uint64_t size = rc_load(entry + DIRENT_RECLEN, 2);
    if (size <= DIRENT_NAME || size > left) {
        return -EIO;
    }
    const uint8_t *name = entry + DIRENT_NAME, *end = memchr(name, 0, size - DIRENT_NAME);
    if (!end) {
        return -EIO;
    }
    uint64_t name_len = (uint64_t)(end - name);
    rc_store(head, 8, rc_load(entry + DIRENT_OFF, 8));
    rc_store(head + 8, 8, rc_load(entry + DIRENT_INO, 8));
    rc_store(head + 16, 4, name_len);
    /* dirent(5): DT_* is the file type of st_mode, shifted. */
    rc_store(head + 20, 4, (uint64_t)rc_wasi_filetype((uint32_t)entry[DIRENT_TYPE] << 12));
    append(f, head, sizeof head);
    append(f, name, name_len);
    return (int64_t)size;
}

/* One getdents64: 0 at the end of the directory, else more than 0, or -errno. */
static int64_t fill(struct rc_wasi *w, int64_t sys, struct filling *f) {
    uint64_t want = f->len - f->used;
    want = want < CHUNK_MIN ? CHUNK_MIN : want > CHUNK_MAX ? CHUNK_MAX : want;
    uint8_t *chunk = rc_wasi_bounce(w, want);
    if (!chunk) {
        return -ENOMEM;
    }
    struct rc_call call = {.nr = RC_SYS_getdents64, .arg = {sys, (int64_t)want}, .reply = chunk, .reply_cap = want};
    int64_t ret = rc_wasi_syscall(w, &call);
    if (ret >= 0 && (uint64_t)ret != call.reply_len) {
        return -EIO;
    }
    for (int64_t at = 0; at < ret && f->used < f->len;) {
        int64_t size = append_entry(f, chunk + at, (uint64_t)(ret - at));
        if (size < 0) {
            return size;
        }
        at += size;
    }
    return ret;
}

RC_WASI_CALL(fd_readdir) {
    struct rc_wasi_fd *f;
    int type;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(FD_READDIR), &f);
    if (error) {
        return error;
    }
    struct filling filling = {.buf = rc_wasi_at(w, arg[1], arg[2]), .len = arg[2]};
    uint8_t *used = rc_wasi_at(w, arg[4], 4);
    if (!filling.buf || !used) {
        return WASI_FAULT;
    }
    if ((error = rc_wasi_fd_type(w, f, &type))) {
        return error;
    }
    if (type != FILETYPE_DIRECTORY) {
        return WASI_NOTDIR; /* before lseek would move a file's offset */
    }
    struct rc_call seek = {.nr = RC_SYS_lseek, .arg = {f->sys, (int64_t)arg[3], LX_SEEK_SET}};
    int64_t ret = rc_wasi_syscall(w, &seek);
    while (ret >= 0 && filling.used < filling.len) {
        ret = fill(w, f->sys, &filling);
        if (ret == 0) {
            break;
        }
    }
    if (ret >= 0) {
        rc_store(used, 4, filling.used);
    }
    return rc_wasi_errno(ret);
}
