/* In: a directory fd and a path in guest memory. Out: Linux's *at syscalls on it.
 * The path rule is lexical: a symlink may still lead out of the directory, never out of the container's root, which
 * the backend guards. */
#include "wasi/guest.h"

#include "base/json.h"
#include "wasi/linux.h"

static int leaves_directory(const char *path) {
    int depth = 0;
    if (*path == '/') {
        return 1;
    }
    while (*path) {
        size_t len = strcspn(path, "/");
        if (len == 2 && memcmp(path, "..", 2) == 0) {
            if (--depth < 0) {
                return 1;
            }
        } else if (len > 0 && !(len == 1 && *path == '.')) {
            depth++;
        }
        path += len + (path[len] == '/');
    }
    return 0;
}

/* Any string Linux takes as a name: also the target of a symlink, which is no path yet. */
static uint32_t text_read(const struct rc_wasi *w, uint64_t pointer, uint64_t len, char out[RC_WASI_PATH_MAX]) {
    const uint8_t *text = rc_wasi_at(w, pointer, len);
    if (!text) {
        return WASI_FAULT;
    }
    if (len == 0) {
        return WASI_NOENT;
    }
    if (len >= RC_WASI_PATH_MAX) {
        return WASI_NAMETOOLONG;
    }
    if (memchr(text, 0, len)) {
        return WASI_INVAL;
    }
    if (!rc_json_utf8(text, len)) {
        return WASI_ILSEQ; /* the json encoding of docs/wire.md could not carry it */
    }
    memcpy(out, text, len);
    out[len] = 0;
    return WASI_SUCCESS;
}

uint32_t rc_wasi_path(const struct rc_wasi *w, uint64_t pointer, uint64_t len, char out[RC_WASI_PATH_MAX]) {
    uint32_t error = text_read(w, pointer, len, out);
    return error ? error : leaves_directory(out) ? WASI_NOTCAPABLE : WASI_SUCCESS;
}

/* ---- path_open */

struct open_bit {
    int64_t flag;        /* of open(2) */
    uint64_t base;       /* needed on the directory */
    uint64_t inheriting; /* needed among what the directory may hand on */
};
static const struct open_bit oflag_bits[] = {
    {LX_O_CREAT, RIGHT(PATH_CREATE_FILE), 0},
    {LX_O_DIRECTORY, 0, 0},
    {LX_O_EXCL, 0, 0},
    {LX_O_TRUNC, RIGHT(PATH_FILESTAT_SET_SIZE), 0},
};
static const struct open_bit fdflag_bits[] = {
    {LX_O_APPEND, 0, 0},
    {LX_O_DSYNC, 0, RIGHT(FD_DATASYNC)},
    {LX_O_NONBLOCK, 0, 0},
    {LX_O_SYNC, 0, RIGHT(FD_SYNC)}, /* rsync */
    {LX_O_SYNC, 0, RIGHT(FD_SYNC)},
};

static void add_bits(struct open_bit *sum, const struct open_bit *bits, uint64_t set) {
    for (; set; set >>= 1, bits++) {
        if (set & 1) {
            sum->flag |= bits->flag;
            sum->base |= bits->base;
            sum->inheriting |= bits->inheriting;
        }
    }
}

RC_WASI_CALL(path_open) {
    enum { FD, LOOKUP, PATH, PATH_LEN, OFLAGS, BASE, INHERITING, FDFLAGS, RESULT };
    char path[RC_WASI_PATH_MAX];
    struct open_bit need = {LX_O_CLOEXEC, RIGHT(PATH_OPEN), 0};
    struct rc_wasi_fd *dir;
    uint32_t fd;
    uint32_t error = rc_wasi_fd_find(w, arg[FD], &dir);
    if (error) {
        return error;
    }
    if (arg[LOOKUP] > 1 || arg[OFLAGS] > 15 || arg[FDFLAGS] > FDFLAGS_ALL) {
        return WASI_INVAL;
    }
    add_bits(&need, oflag_bits, arg[OFLAGS]);
    add_bits(&need, fdflag_bits, arg[FDFLAGS]);
    if (need.flag & LX_O_DIRECTORY && need.flag & (LX_O_CREAT | LX_O_EXCL | LX_O_TRUNC)) {
        return WASI_INVAL;
    }
    /* Bits that are no rights are asked for by some languages' libraries as `all`; they cannot be had or missed. */
    uint64_t base = arg[BASE] & RIGHTS_ALL, inheriting = arg[INHERITING] & RIGHTS_ALL;
    if ((base | inheriting | need.inheriting) & ~dir->inheriting) {
        return WASI_NOTCAPABLE;
    }
    if ((error = rc_wasi_fd_reserve(w, &fd)) || (error = rc_wasi_fd_get(w, arg[FD], need.base, &dir)) ||
        (error = rc_wasi_path(w, arg[PATH], arg[PATH_LEN], path))) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[RESULT], 4);
    if (!out) {
        return WASI_FAULT;
    }
    if (base & RIGHTS_WRITE && !(need.flag & LX_O_DIRECTORY)) { /* Linux opens no directory for writing */
        need.flag |= base & RIGHTS_READ ? LX_O_RDWR : LX_O_WRONLY;
    }
    struct rc_call call = {.nr = RC_SYS_openat, .arg = {dir->sys}, .str = {path}};
    call.arg[2] = need.flag | (arg[LOOKUP] ? 0 : LX_O_NOFOLLOW);
    call.arg[3] = need.flag & LX_O_CREAT ? 0666 : 0;
    int64_t ret = rc_wasi_syscall(w, &call);
    if (ret < 0) {
        return rc_wasi_errno(ret);
    }
    w->state->fd[fd] = (struct rc_wasi_fd){
        .sys = ret,
        .base = base,
        .inheriting = inheriting,
        .flags = need.flag & ~(int64_t)LX_O_CLOEXEC,
        .type = need.flag & LX_O_DIRECTORY ? FILETYPE_DIRECTORY : FILETYPE_NOT_ASKED,
    };
    rc_store(out, 4, fd);
    return WASI_SUCCESS;
}

/* ---- one path */

/* call->arg is complete but for the directory's fd. */
static uint32_t at_path(struct rc_wasi *w, const uint64_t *arg, uint64_t rights, struct rc_call *call) {
    char path[RC_WASI_PATH_MAX];
    struct rc_wasi_fd *dir;
    uint32_t error = rc_wasi_fd_get(w, arg[0], rights, &dir);
    if (error || (error = rc_wasi_path(w, arg[1], arg[2], path))) {
        return error;
    }
    call->arg[0] = dir->sys;
    call->str[0] = path;
    return rc_wasi_errno(rc_wasi_syscall(w, call));
}

RC_WASI_CALL(path_create_directory) {
    struct rc_call call = {.nr = RC_SYS_mkdirat, .arg = {0, 0, 0777}};
    return at_path(w, arg, RIGHT(PATH_CREATE_DIRECTORY), &call);
}

RC_WASI_CALL(path_remove_directory) {
    struct rc_call call = {.nr = RC_SYS_unlinkat, .arg = {0, 0, LX_AT_REMOVEDIR}};
    return at_path(w, arg, RIGHT(PATH_REMOVE_DIRECTORY), &call);
}

RC_WASI_CALL(path_unlink_file) {
    struct rc_call call = {.nr = RC_SYS_unlinkat};
    return at_path(w, arg, RIGHT(PATH_UNLINK_FILE), &call);
}

RC_WASI_CALL(path_readlink) {
    char path[RC_WASI_PATH_MAX];
    uint8_t one; /* readlink(2) refuses an empty buffer; WASI does not */
    struct rc_wasi_fd *dir;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(PATH_READLINK), &dir);
    if (error || (error = rc_wasi_path(w, arg[1], arg[2], path))) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[3], arg[4]), *used = rc_wasi_at(w, arg[5], 4);
    if (!out || !used) {
        return WASI_FAULT;
    }
    struct rc_call call = {.nr = RC_SYS_readlinkat, .arg = {dir->sys}, .str = {path}, .reply = arg[4] ? out : &one};
    call.reply_cap = arg[4] == 0 ? 1 : arg[4] < RC_WASI_PATH_MAX ? arg[4] : RC_WASI_PATH_MAX;
    call.arg[2] = (int64_t)call.reply_cap;
    int64_t ret = rc_wasi_syscall(w, &call);
    if (ret >= 0) {
        rc_store(used, 4, arg[4] ? call.reply_len : 0);
    }
    return rc_wasi_errno(ret);
}

/* ---- two paths */

/* old: fd, path, len. new: fd, path, len. lookup: 1 follows a symlink (linkat(2)); renameat2(2) has no such flag. */
static uint32_t at_two_paths(struct rc_wasi *w, const uint64_t *old, uint64_t old_right, const uint64_t *new,
                             uint64_t new_right, uint64_t lookup, uint32_t nr) {
    char old_path[RC_WASI_PATH_MAX], new_path[RC_WASI_PATH_MAX];
    struct rc_wasi_fd *old_dir, *new_dir;
    uint32_t error = rc_wasi_fd_get(w, old[0], old_right, &old_dir);
    if (error || (error = rc_wasi_fd_get(w, new[0], new_right, &new_dir))) {
        return error;
    }
    if (lookup > 1) {
        return WASI_INVAL;
    }
    if ((error = rc_wasi_path(w, old[1], old[2], old_path)) || (error = rc_wasi_path(w, new[1], new[2], new_path))) {
        return error;
    }
    struct rc_call call = {.nr = nr, .arg = {old_dir->sys, 0, new_dir->sys}, .str = {old_path, new_path}};
    call.arg[4] = lookup ? LX_AT_SYMLINK_FOLLOW : 0;
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}

RC_WASI_CALL(path_rename) {
    return at_two_paths(w, arg, RIGHT(PATH_RENAME_SOURCE), arg + 3, RIGHT(PATH_RENAME_TARGET), 0, RC_SYS_renameat2);
}

RC_WASI_CALL(path_link) {
    const uint64_t old[] = {arg[0], arg[2], arg[3]};
    return at_two_paths(w, old, RIGHT(PATH_LINK_SOURCE), arg + 4, RIGHT(PATH_LINK_TARGET), arg[1], RC_SYS_linkat);
}

RC_WASI_CALL(path_symlink) {
    char target[RC_WASI_PATH_MAX], path[RC_WASI_PATH_MAX];
    struct rc_wasi_fd *dir;
    uint32_t error = rc_wasi_fd_get(w, arg[2], RIGHT(PATH_SYMLINK), &dir);
    if (error || (error = text_read(w, arg[0], arg[1], target)) || (error = rc_wasi_path(w, arg[3], arg[4], path))) {
        return error;
    }
    /* An absolute target is Linux's habit in images; it resolves inside the container's root. */
    struct rc_call call = {.nr = RC_SYS_symlinkat, .arg = {0, dir->sys}, .str = {target, path}};
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}
