/* The stub: the first section of a signed executable. In: itself, a key store, a vkernel. Out: the guest's exit status;
 * or one line and exit 125 before the guest has begun. main() at the end is the table of contents. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "end.h"
#include "format/format.h"
#include "interpreter.h"
#include "policy.h"
#include "sandbox/sandbox.h"
#include "wasi/wasi.h"
#include "wire/sock.h"
#include "wire/wire.h"

#define DEFAULT_PUBKEYS "/etc/recompiler/keys/pubkeys.json"
#define DEFAULT_RUN_DIR "/run/vkernel"
#define PRIVATE_PREFIX  "RECOMPILER_"

/* A vkernel reads the whole file before it answers hello. */
enum { HANDSHAKE_MS = 5000, VERIFIED_BYTES_PER_MS = 100000 };

/* What a production build does not let its environment say. */
static const char *development_setting(const char *name, const char *fixed) {
#ifdef RECOMPILER_DEVELOPMENT
    const char *value = getenv(name);
    return value != NULL ? value : fixed;
#else
    (void)name;
    return fixed;
#endif
}

/* The number in RECOMPILER_SOCKET_FD; -1 when it is not set. */
static int inherited_socket(int *fd, struct rc_error *err) {
    const char *text = getenv("RECOMPILER_SOCKET_FD");
    *fd = -1;
    if (text == NULL) {
        return 0;
    }
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 7 || text[digits] != '\0' || atoi(text) < 3) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "RECOMPILER_SOCKET_FD is not the number of an inherited fd");
    }
    *fd = atoi(text);
    return 0;
}

/* 1. Nothing of what a parent left behind may matter later. */
static int sane_process(int *socket_fd, struct rc_error *err) {
    if (getauxval(AT_SECURE)) {
        return rc_fail(err, RC_E_PROCESS_SECURE, 0, "set-user-id or file capabilities: a stub takes no privileges");
    }
    if (rc_sandbox_standard_fds(err) < 0 || inherited_socket(socket_fd, err) < 0 ||
        rc_sandbox_close_fds(*socket_fd, err) < 0) {
        return -1;
    }
    return rc_sandbox_no_privileges(err);
}

/* 2. The one fd through which this file is read. There is no fallback to argv[0]: under `ld.so FILE` it names ld.so. */
static int open_itself(struct rc_error *err) {
    struct statfs fs;
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (proc < 0 && (errno == EMFILE || errno == ENFILE)) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0,
                       "no descriptor is left for this program's own file: %s (see ulimit -n)", strerror(errno));
    }
    if (proc < 0 || fstatfs(proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
        return rc_fail(err, RC_E_OPEN, 0, "/proc is not a proc file system, so this program cannot find its own file");
    }
    close(proc);
    /* By its absolute name, which is the one that emulators of other machines (qemu-user) know. */
    int fd = open("/proc/self/exe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return rc_fail(err, RC_E_OPEN, 0, "/proc/self/exe: %s", strerror(errno));
    }
    return fd;
}

/* 3. Stages 0 to 8 of docs/format.md on that fd, then what wasm3 needs. An unusable key store is the verdict at
 * stage 5. */
static int verify_itself(int fd, struct rc_verified *out, struct rc_error *err) {
    static const int no_files[5] = {-1, -1, -1, -1, -1};
    const char *path = development_setting("RECOMPILER_PUBKEYS", DEFAULT_PUBKEYS);
    struct rc_error store_error = {0};
    struct rc_keystore *store = rc_keystore_open(path, strcmp(path, DEFAULT_PUBKEYS) == 0, &store_error);
    int result = rc_verify_fd(fd, store, (uint64_t)time(NULL), 1, no_files, out, err);
    if (result < 0 && store == NULL && err->code == RC_E_KEYS_OPEN) {
        *err = store_error;
    }
    rc_keystore_free(store);
    close(fd);
    if (result < 0) {
        return -1;
    }
    if (out->statement.kind != 1) {
        return rc_fail(err, RC_E_KIND, 0, "the trailer is a detached one: it does not belong to this file");
    }
    return rc_wasm_check_engine(out->wasm, out->wasm_size, err);
}

static int handshake_ms(const struct rc_verified *self) {
    uint64_t ms = HANDSHAKE_MS + self->file_size / VERIFIED_BYTES_PER_MS;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int container_id(const struct rc_verified *self, char cid[RC_CID_MAX + 1], struct rc_error *err) {
    const char *text = getenv("RECOMPILER_CID");
    if (text == NULL) {
        return rc_cid_of_subject(self->statement.subject, cid, err);
    }
    if (rc_cid_check(text, err) < 0) {
        return -1;
    }
    strcpy(cid, text);
    return 0;
}

static void lost(struct rc_wire *wire, const struct rc_error *why) {
    (void)wire;
    end_killed(NULL, SIGKILL, why); /* from outside, by no doing of the guest */
}

static void signalled(struct rc_wire *wire, int sig) {
    (void)wire;
    end_by_signal(sig);
}

/* 4. A socket to a vkernel that runs as root or as this user. */
static int connect_vkernel(int fd, const char *cid, const struct rc_verified *self, struct rc_wire *wire,
                           struct rc_error *err) {
    const char *encoding = getenv("RECOMPILER_ENCODING");
    int json = encoding != NULL && strcmp(encoding, "json") == 0;
    if (encoding != NULL && !json && strcmp(encoding, "binary") != 0) {
        return rc_fail(err, RC_E_USAGE, 0, "RECOMPILER_ENCODING is neither binary nor json");
    }
    if (fd >= 0) {
        if (rc_sock_adopt(fd, err) < 0) {
            return -1;
        }
    } else {
        const char *directory = development_setting("RECOMPILER_RUN_DIR", DEFAULT_RUN_DIR);
        fd = rc_sock_connect(directory, cid, handshake_ms(self), err);
        if (fd < 0) {
            return -1;
        }
    }
    if (rc_wire_open(wire, fd, !json, err) < 0) {
        return -1;
    }
    wire->lost = lost;
    wire->signalled = signalled;
    return 0;
}

/* 5. Who this is, and the fds that the vkernel reads and writes for the guest. */
static int hello(struct rc_wire *wire, const char *cid, const struct rc_verified *self, struct rc_error *err) {
    rc_sock_timeout(wire->fd, handshake_ms(self));
    if (rc_wire_hello(wire, cid, self->statement.raw, self->manifest, self->manifest_size, err) < 0) {
        return -1;
    }
    rc_sock_timeout(wire->fd, 0); /* a guest's read may take for ever */
    return 0;
}

/* 6. From here on: messages, memory, a last line, an end. */
static int lock(struct rc_wire *wire, struct rc_error *err) {
    interpreter_prepare();
    end_on_faults(wire);
    return rc_sandbox_lock(wire->fd, err);
}

/* The environment without the stub's own settings. */
static int guest_environment(char **envp) {
    int kept = 0;
    for (int i = 0; envp[i] != NULL; i++) {
        if (strncmp(envp[i], PRIVATE_PREFIX, sizeof PRIVATE_PREFIX - 1) != 0) {
            envp[kept++] = envp[i];
        }
    }
    envp[kept] = NULL;
    return kept;
}

/* 7. wasm3 and WASI. */
static int load_guest(struct rc_wasi *wasi, const struct rc_verified *self, struct rc_error *err) {
    uint64_t memory_bytes = policy_memory_bytes(self->manifest, self->manifest_size);
    if (rc_wasi_init(wasi, err) < 0) {
        return -1;
    }
    return interpreter_load(self->wasm, self->wasm_size, memory_bytes, wasi, err);
}

/* 8. The vkernel hears of the end, and has it on disk, before the parent does. */
static _Noreturn void end_guest(struct rc_wire *wire, int code) {
    struct rc_call last = {.nr = RC_SYS_exit_group, .arg = {code}};
    wire->sys.call(&wire->sys, &last);
    _exit(code);
}

int main(int argc, char **argv, char **envp) {
    struct rc_error err = {0};
    struct rc_verified self;
    struct rc_wire wire;
    char cid[RC_CID_MAX + 1];
    int fd, socket_fd = -1;

    /* 1. a sane process */
    if (sane_process(&socket_fd, &err) < 0) {
        end_refused(&err);
    }
    /* 2. /proc/self/exe, once    3. parse and verify    4. connect    5. hello    6. seccomp */
    if ((fd = open_itself(&err)) < 0 || verify_itself(fd, &self, &err) < 0 || container_id(&self, cid, &err) < 0 ||
        connect_vkernel(socket_fd, cid, &self, &wire, &err) < 0 || hello(&wire, cid, &self, &err) < 0 ||
        lock(&wire, &err) < 0) {
        end_refused(&err);
    }
    /* 7. wasm3 */
    struct rc_wasi wasi = {.sys = &wire.sys, .argc = argc, .argv = argv, .envp = envp};
    wasi.envc = guest_environment(envp);
    if (load_guest(&wasi, &self, &err) < 0) {
        end_refused(&err);
    }
    if (interpreter_run(&err) < 0) {
        end_killed(&wire, SIGABRT, &err);
    }
    /* 8. exit */
    end_guest(&wire, wasi.exit_code);
}
