/* In: a descriptor or a buffer. Out: its bytes by offset, short reads and EINTR dealt with, and whether it changed. */
#include "base/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* One pread is at most this much: the chunk is still in the cache when it is hashed. */
#define CHUNK (32 << 10)

int rc_source_fd(struct rc_source *source, int fd, struct rc_error *err) {
    *source = (struct rc_source){.fd = fd};
    if (fstat(fd, &source->before)) {
        return rc_fail(err, RC_E_OPEN, 0, "cannot look at the file: %s", strerror(errno));
    }
    if (!S_ISREG(source->before.st_mode)) {
        return rc_fail(err, RC_E_NOT_REGULAR, 0, "not a regular file");
    }
    source->size = (uint64_t)source->before.st_size;
    return 0;
}

static int out_of_bytes(uint64_t offset, struct rc_error *err) {
    return rc_fail(err, RC_E_CHANGED, offset, "the file became shorter while it was read");
}

int rc_source_read(const struct rc_source *source, uint64_t offset, void *to, size_t len, struct rc_error *err) {
    uint8_t *out = to;

    if (offset > source->size || len > source->size - offset) {
        return out_of_bytes(offset, err);
    }
    if (source->bytes) {
        memcpy(out, source->bytes + offset, len);
        return 0;
    }
    while (len) {
        ssize_t got = pread(source->fd, out, len < CHUNK ? len : CHUNK, (off_t)offset);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return rc_fail(err, RC_E_READ, offset, "cannot read the file: %s", strerror(errno));
        }
        if (got == 0) {
            return out_of_bytes(offset, err);
        }
        out += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

int rc_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int rc_source_unchanged(const struct rc_source *source, struct rc_error *err) {
    struct stat now;

    if (source->bytes) {
        return 0;
    }
    if (fstat(source->fd, &now)) {
        return rc_fail(err, RC_E_READ, 0, "cannot look at the file again: %s", strerror(errno));
    }
    if (!rc_same_file(&source->before, &now)) {
        return rc_fail(err, RC_E_CHANGED, 0, "the file was changed while it was read");
    }
    return 0;
}

int rc_check_closed(const struct stat *st, int code, const char *path, size_t len, struct rc_error *err) {
    const int sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) && st->st_uid == 0;
    const char *group = st->st_mode & S_IWGRP ? "g" : "", *others = st->st_mode & S_IWOTH ? "o" : "";

    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        return rc_fail(err, code, 0, "%.*s belongs neither to root nor to this user", (int)len, path);
    }
    if ((*group || *others) && !sticky) {
        return rc_fail(err, code, 0, "others can change part of the path: chmod %s%s-w %.*s", group, others, (int)len,
                       path);
    }
    return 0;
}
