/* In: a process just cloned for a container, its working directory the container's root. Out: the same process inside
 * its confinement, and the bits of what is in force. A step that this kernel or this user cannot have is left out and
 * its bit is missing; which bits must not be missing is the caller's `required`. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/linux/wasi/denied.h"

/* <sys/mount.h> and <linux/mount.h> do not go together. */
enum { MOUNT_PRIVATE = 1 << 18, MOUNT_RECURSIVE = 16384, UNMOUNT_DETACH = 2, WHOLE_TREE = 0x8000 /* AT_RECURSIVE */ };
enum { DISK_DEFAULT = 64 << 20 };

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

int const *container_namespaces(const struct container *c) {
    /* Who may connect or listen needs the host's network; what he may reach is decided call by call. */
    static int tries[4];
    int network = c->is.rule_count == 0 ? CLONE_NEWNET : 0, n = 0;
    if (geteuid() == 0) {
        tries[n++] = NAMESPACES | network;
    }
    tries[n++] = NAMESPACES | network | CLONE_NEWUSER;
    tries[n++] = 0;
    return tries;
}

static uint32_t namespace_bits(int namespaces) {
    static const struct {
        int namespace;
        uint32_t bit;
    } table[] = {
        {CLONE_NEWUSER, FORCE_USER_NS}, {CLONE_NEWNS, FORCE_MOUNT_NS}, {CLONE_NEWPID, FORCE_PID_NS},
        {CLONE_NEWNET, FORCE_NET_NS},   {CLONE_NEWIPC, FORCE_IPC_NS},  {CLONE_NEWUTS, FORCE_UTS_NS},
    };
    uint32_t bits = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        bits |= namespaces & table[i].namespace ? table[i].bit : 0;
    }
    return bits;
}

static int write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t wrote = write(fd, text, strlen(text));
    close(fd);
    return wrote < 0 ? -1 : 0;
}

/* user_namespaces(7): one's own ids are the only ones that an ordinary user may map. */
static int map_user(uid_t uid, gid_t gid) {
    char line[48];
    if (write_file("/proc/self/setgroups", "deny") < 0) {
        return -1;
    }
    snprintf(line, sizeof line, "0 %u 1", uid);
    if (write_file("/proc/self/uid_map", line) < 0) {
        return -1;
    }
    snprintf(line, sizeof line, "0 %u 1", gid);
    return write_file("/proc/self/gid_map", line);
}

/* ---- the root: an overlay in memory over the working directory, or the working directory as it is */

static int set_string(int fs, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

/* Makes a mount of a configured file system; closes fs. */
static int mount_of(int fs) {
    int mount = -1;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
        mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    }
    close(fs);
    return mount;
}

/* Over "/": there always is one, and after pivot_root nobody sees it. */
static int attach(int mount) {
    return (int)syscall(SYS_move_mount, mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}

static int tmpfs(uint64_t bytes) {
    char size[32];
    int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0) {
        return -1;
    }
    snprintf(size, sizeof size, "%llu", (unsigned long long)(bytes ? bytes : DISK_DEFAULT));
    /* Empty files cost memory too. */
    if (set_string(fs, "size", size) < 0 || set_string(fs, "nr_inodes", "65536") < 0 ||
        set_string(fs, "mode", "0700") < 0) {
        close(fs);
        return -1;
    }
    return mount_of(fs);
}

/* An overlay whose upper layer lies in the attached mount `memory`. */
static int overlay_on(const struct container *c, int memory) {
    char upper[48], work[48];
    struct stat lower;
    if (fstatat(AT_FDCWD, ".", &lower, 0) < 0 || mkdirat(memory, "upper", 0755) < 0 ||
        mkdirat(memory, "work", 0700) < 0 || fchmodat(memory, "upper", lower.st_mode & 07777, 0) < 0) {
        return -1;
    }
    int ignored = fchownat(memory, "upper", lower.st_uid, lower.st_gid, 0); /* one's own, in a user namespace */
    (void)ignored;
    snprintf(upper, sizeof upper, "/proc/self/fd/%d/upper", memory);
    snprintf(work, sizeof work, "/proc/self/fd/%d/work", memory);
    int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    if (fs < 0) {
        return -1;
    }
    if (set_string(fs, "lowerdir", ".") < 0 || set_string(fs, "upperdir", upper) < 0 ||
        set_string(fs, "workdir", work) < 0) {
        close(fs);
        return -1;
    }
    if (c->in_force & FORCE_USER_NS) {
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0);
    }
    return mount_of(fs);
}

/* The upper layer's mount is attached only while the overlay looks it up: left there, it would be what umount2 takes
 * away in pivot(), and the host's tree would stay. */
static int overlay(const struct container *c) {
    char path[48];
    int memory = tmpfs(c->is.disk_bytes), mount = -1;
    if (memory >= 0 && attach(memory) == 0) {
        mount = overlay_on(c, memory);
        snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
        if (syscall(SYS_umount2, path, UNMOUNT_DETACH) < 0 && mount >= 0) {
            close(mount);
            mount = -1;
        }
    }
    if (memory >= 0) {
        close(memory);
    }
    return mount;
}

static int as_it_is(void) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    int mount = (int)syscall(SYS_open_tree, AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | WHOLE_TREE);
    if (mount >= 0 &&
        syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | WHOLE_TREE, &attributes, sizeof attributes) < 0) {
        close(mount);
        return -1;
    }
    return mount;
}

/* statx(2): the id of the mount that path is on, 0 if it cannot be had. */
static uint64_t mount_id(int dirfd, const char *path, int flags) {
    enum { STATX_BYTES = 256, MNT_ID_MASK = 0x1000, MNT_ID_AT = 0x90 };
    uint8_t found[STATX_BYTES] = {0};
    uint64_t id = 0;
    if (syscall(SYS_statx, dirfd, path, flags, MNT_ID_MASK, found) == 0) {
        memcpy(&id, found + MNT_ID_AT, sizeof id);
    }
    return id;
}

/* pivot_root(2), "pivot_root(".", ".")": the old root lands over the new one and is taken away. Whether it is gone is
 * looked at: over "/" must be nothing but "/". */
static int pivot(int mount) {
    if (attach(mount) < 0 || fchdir(mount) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        syscall(SYS_umount2, ".", UNMOUNT_DETACH) < 0 || chdir("/") < 0) {
        return -1;
    }
    uint64_t id = mount_id(mount, "", AT_EMPTY_PATH);
    return id != 0 && mount_id(AT_FDCWD, "/..", 0) == id ? 0 : -1;
}

/* 0, or -1 when the process is between two roots: then it must not go on. */
static int enter_root(struct container *c) {
    if (c->in_force & FORCE_MOUNT_NS &&
        syscall(SYS_mount, NULL, "/", NULL, MOUNT_PRIVATE | MOUNT_RECURSIVE, NULL) == 0) {
        uint32_t found = FORCE_ROOT | FORCE_NO_DEVICES | FORCE_OVERLAY;
        int mount = c->is.unwanted & FORCE_OVERLAY ? -1 : overlay(c);
        if (mount < 0) {
            mount = as_it_is();
            found &= ~(uint32_t)FORCE_OVERLAY;
        }
        if (mount >= 0) {
            if (pivot(mount) < 0) {
                return -1;
            }
            close(mount);
            c->in_force |= found;
            return 0;
        }
    }
    if (chroot(".") == 0) {
        c->in_force |= FORCE_CHROOT;
    }
    return 0;
}

/* The guests' "/" as an fd, out of the way of the numbers they get; the number behind it is a guest's own. */
static int hold_root(struct container *c, struct rc_error *err) {
    struct stat st;
    int low = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC); /* "/", or without either root, the given directory */
    close(c->root);
    c->root = ROOT_FD;
    if (low < 0 || dup3(low, ROOT_FD, O_CLOEXEC) < 0 || dup3(low, DENIED_FD, O_CLOEXEC) < 0 || close(low) < 0 ||
        fstat(c->root, &st) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "the root: %s", strerror(errno));
    }
    c->root_device = st.st_dev;
    c->root_inode = st.st_ino;
    return 0;
}

static int drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* needs CAP_SETPCAP; without it there is no exec to gain by either */
    }
    return (int)syscall(SYS_capset, &header, none);
}

int container_confine(struct container *c, int namespaces, uid_t uid, gid_t gid, struct rc_error *err) {
    c->in_force |= namespace_bits(namespaces) | FORCE_NO_NEW_PRIVILEGES;
    if (c->in_force & FORCE_USER_NS && map_user(uid, gid) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "the user namespace's map: %s", strerror(errno));
    }
    if (enter_root(c) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "the host's root cannot be left: %s", strerror(errno));
    }
    if (c->in_force & FORCE_UTS_NS && sethostname(c->name, strlen(c->name)) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "sethostname: %s", strerror(errno));
    }
    if (hold_root(c, err) < 0) {
        return -1;
    }
    c->in_force |= landlock_confine(c);
    c->in_force |= drop_capabilities() == 0 ? FORCE_NO_CAPABILITIES : 0;
    if (filter_install(LIFE_CONTAINER, c->is.syscalls, err) < 0) {
        return -1;
    }
    c->in_force |= FORCE_SECCOMP;
    uint32_t missing = c->is.required & ~c->in_force;
    return missing ? rc_fail(err, RC_E_SANDBOX, 0, "required and not to be had here: bits 0x%x", missing) : 0;
}
