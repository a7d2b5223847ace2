/* base/source.h: the bytes of a file, from a descriptor or from memory, and little-endian integers out of them. */
#ifndef RC_SOURCE_H
#define RC_SOURCE_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/bytes.h"

struct rc_source {
    int fd; /* used when bytes is NULL */
    const uint8_t *bytes;
    uint64_t size;
    struct stat before; /* of fd, when it was looked at first */
};

/* Stage 0 for a descriptor: E_OPEN, E_NOT_REGULAR; size is set. 0 or -1. */
int rc_source_fd(struct rc_source *source, int fd, struct rc_error *err);

/* len bytes at offset: E_READ, or E_CHANGED when the file ends before them. 0 or -1. */
int rc_source_read(const struct rc_source *source, uint64_t offset, void *to, size_t len, struct rc_error *err);

/* E_CHANGED when fstat tells another story than before. 0 or -1. */
int rc_source_unchanged(const struct rc_source *source, struct rc_error *err);

/* 1 when both describe the same, unmodified file. */
int rc_same_file(const struct stat *a, const struct stat *b);

/* 0 when only root and this user can change it; else the error has this code, names it by the first len characters of
 * path, and says what to do. A sticky directory of root's (/tmp) lets nobody replace another's file. A group is never
 * looked up: who else is in it is not in /etc/group alone (passwd, LDAP), and a static program sees no more than that.
 */
int rc_check_closed(const struct stat *st, int code, const char *path, size_t len, struct rc_error *err);

static inline int rc_all_zero(const uint8_t *p, size_t len) {
    uint8_t any = 0;

    for (size_t i = 0; i < len; i++) {
        any |= p[i];
    }
    return !any;
}

#endif
