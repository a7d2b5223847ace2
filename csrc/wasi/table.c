/* Every function a guest may import: its module, name, type, implementation, and what it asks of the backend.
 * docs/wasi.md is this table; a test holds the two equal. */
#include "wasi/guest.h"

#define WASI "wasi_snapshot_preview1"
#define SOCK "recompiler_sock_v1"

/* X(module, name, type, syscalls, remark) */
#define FUNCTIONS(X)                                                                                                   \
    X(WASI, args_get, "i(ii)", "-", "")                                                                                \
    X(WASI, args_sizes_get, "i(ii)", "-", "")                                                                          \
    X(WASI, environ_get, "i(ii)", "-", "without variables that begin with `RECOMPILER_`")                              \
    X(WASI, environ_sizes_get, "i(ii)", "-", "")                                                                       \
    X(WASI, clock_res_get, "i(ii)", "clock_getres", "WASI's clocks 0..3 are Linux's")                                  \
    X(WASI, clock_time_get, "i(iIi)", "clock_gettime",                                                                 \
      "the precision is ignored; the CPU clocks are those of whoever performs the syscall")                            \
    X(WASI, fd_advise, "i(iIIi)", "fstat", "checked and dropped: advice changes no result")                            \
    X(WASI, fd_allocate, "i(iII)", "fallocate", "")                                                                    \
    X(WASI, fd_close, "i(i)", "close", "the number is free afterwards, also when close reports an error")              \
    X(WASI, fd_datasync, "i(i)", "fdatasync", "")                                                                      \
    X(WASI, fd_fdstat_get, "i(ii)", "fstat getsockopt fcntl lseek",                                                    \
      "rights that the open mode rules out are not shown; a terminal has neither seek nor tell, so isatty works")      \
    X(WASI, fd_fdstat_set_flags, "i(ii)", "fcntl",                                                                     \
      "append and nonblock; a change of dsync, rsync or sync is notsup, as Linux cannot")                              \
    X(WASI, fd_fdstat_set_rights, "i(iII)", "-", "rights only shrink, else notcapable")                                \
    X(WASI, fd_filestat_get, "i(ii)", "fstat getsockopt", "a FIFO is of type unknown; times before 1970 are 0")        \
    X(WASI, fd_filestat_set_size, "i(iI)", "ftruncate", "")                                                            \
    X(WASI, fd_filestat_set_times, "i(iIIi)", "utimensat", "")                                                         \
    X(WASI, fd_pread, "i(iiiIi)", "pread64 fstat", "")                                                                 \
    X(WASI, fd_prestat_get, "i(ii)", "-", "one preopen: fd 3 is `/`, the container's root")                            \
    X(WASI, fd_prestat_dir_name, "i(iii)", "-", "")                                                                    \
    X(WASI, fd_pwrite, "i(iiiIi)", "pwrite64", "")                                                                     \
    X(WASI, fd_read, "i(iiii)", "read fstat", "at most 1024 buffers; above 1,000,000 bytes only a file is read on")    \
    X(WASI, fd_readdir, "i(iiiIi)", "lseek getdents64 fstat",                                                          \
      "a cookie is Linux's d_off, so a directory may shrink meanwhile; wasi-libc's telldir keeps 32 bits of its 63")   \
    X(WASI, fd_renumber, "i(ii)", "close", "the target must be open, else badf")                                       \
    X(WASI, fd_seek, "i(iIii)", "lseek", "")                                                                           \
    X(WASI, fd_sync, "i(i)", "fsync", "")                                                                              \
    X(WASI, fd_tell, "i(ii)", "lseek", "")                                                                             \
    X(WASI, fd_write, "i(iiii)", "write", "at most 1024 buffers, sent as one write per 1,000,000 bytes")               \
    X(WASI, path_create_directory, "i(iii)", "mkdirat", "mode 0777 less the umask of the backend")                     \
    X(WASI, path_filestat_get, "i(iiiii)", "newfstatat", "a socket is shown as a stream socket")                       \
    X(WASI, path_filestat_set_times, "i(iiiiIIi)", "utimensat", "")                                                    \
    X(WASI, path_link, "i(iiiiiii)", "linkat", "")                                                                     \
    X(WASI, path_open, "i(iiiiiIIii)", "openat",                                                                       \
      "the rights asked for must be among those the directory hands on; mode 0666; rsync is sync")                     \
    X(WASI, path_readlink, "i(iiiiii)", "readlinkat", "a longer target is cut to the buffer")                          \
    X(WASI, path_remove_directory, "i(iii)", "unlinkat", "")                                                           \
    X(WASI, path_rename, "i(iiiiii)", "renameat2", "")                                                                 \
    X(WASI, path_symlink, "i(iiiii)", "symlinkat", "the target may be absolute: it resolves inside the root")          \
    X(WASI, path_unlink_file, "i(iii)", "unlinkat", "")                                                                \
    X(WASI, poll_oneoff, "i(iiii)", "poll clock_nanosleep clock_gettime fstat getsockopt lseek",                       \
      "1..4096 subscriptions; CPU clocks are notsup; nbytes is exact for files, else 1; waits in milliseconds")        \
    X(WASI, proc_exit, "v(i)", "-", "unwinds the guest; its host ends the process")                                    \
    X(WASI, proc_raise, "i(i)", "getpid kill", "")                                                                     \
    X(WASI, sched_yield, "i()", "sched_yield", "")                                                                     \
    X(WASI, random_get, "i(ii)", "getrandom", "")                                                                      \
    X(WASI, sock_accept, "i(iii)", "accept4", "flags: nonblock")                                                       \
    X(WASI, sock_recv, "i(iiiiii)", "recvfrom fstat getsockopt", "says when a datagram was cut")                       \
    X(WASI, sock_send, "i(iiiii)", "sendto", "no SIGPIPE: a closed peer is errno pipe")                                \
    X(WASI, sock_shutdown, "i(ii)", "shutdown", "")                                                                    \
    X(SOCK, sock_open, "i(iii)", "socket", "AF_INET and AF_INET6, SOCK_STREAM and SOCK_DGRAM, in Linux's numbers")     \
    X(SOCK, sock_connect, "i(iii)", "connect", "decided by the manifest's `network.connect`")                          \
    X(SOCK, sock_bind, "i(iii)", "bind", "decided by the manifest's `network.bind`")                                   \
    X(SOCK, sock_listen, "i(ii)", "listen", "")

#define DECLARE(module, name, type, syscalls, remark) RC_WASI_CALL(name);
FUNCTIONS(DECLARE)
#undef DECLARE

const struct rc_wasi_function rc_wasi_functions[] = {
#define ROW(module, name, type, syscalls, remark)                                                                      \
    {module, #name, type, rc_wasi_##name, "implemented", syscalls, remark},
    FUNCTIONS(ROW)
#undef ROW
};

const int rc_wasi_function_count = sizeof rc_wasi_functions / sizeof *rc_wasi_functions;
