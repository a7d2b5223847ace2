/* In: calls whose structures hold pointers, or whose argument is one only for some commands. Out: the same with the
 * host's pointers, in structures of the host. */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "engine/linux/lifted/linux.h"

/* ---- vectors */

static __thread struct iovec vector[IOV_MAX];

/* count pairs of (address, length) into `vector`; what to give the kernel for it: it refuses a count that is too large
 * itself, and finds nothing where the guest has nothing. */
static uint64_t host_vector(uint64_t from, uint64_t count) {
    if (count > IOV_MAX || (count && guest_read(vector, from, count * sizeof *vector) < 0)) {
        return guest_pointer(GUEST_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        vector[i].iov_base = (void *)(uintptr_t)guest_pointer((uint64_t)(uintptr_t)vector[i].iov_base);
    }
    return (uint64_t)(uintptr_t)vector;
}

HANDLER(iov) {
    const uint64_t *a = call->arg;
    const uint64_t arg[6] = {a[0], host_vector(a[1], a[2]), a[2], a[3], a[4], a[5]};
    return host_syscall(call->nr, arg);
}

/* ---- messages */

struct guest_msghdr {
    uint64_t name;
    uint32_t name_size, pad;
    uint64_t iov, iov_count, control, control_size;
    uint32_t flags, pad2;
};

static uint64_t host_message(uint64_t from, struct guest_msghdr *guest, struct msghdr *host) {
    if (guest_read(guest, from, sizeof *guest) < 0) {
        return guest_pointer(GUEST_SPACE);
    }
    *host = (struct msghdr){
        .msg_name = (void *)(uintptr_t)guest_pointer(guest->name),
        .msg_namelen = guest->name_size,
        .msg_iov = (struct iovec *)(uintptr_t)host_vector(guest->iov, guest->iov_count),
        .msg_iovlen = guest->iov_count,
        .msg_control = (void *)(uintptr_t)guest_pointer(guest->control),
        .msg_controllen = guest->control_size,
        .msg_flags = (int)guest->flags,
    };
    return (uint64_t)(uintptr_t)host;
}

HANDLER(sendmsg) {
    struct guest_msghdr guest;
    struct msghdr host;
    const uint64_t arg[6] = {call->arg[0], host_message(call->arg[1], &guest, &host), call->arg[2]};
    return host_syscall(SYS_sendmsg, arg);
}

HANDLER(recvmsg) {
    struct guest_msghdr guest;
    struct msghdr host;
    const uint64_t arg[6] = {call->arg[0], host_message(call->arg[1], &guest, &host), call->arg[2]};
    const int64_t result = host_syscall(SYS_recvmsg, arg);
    if (result >= 0) {
        guest.name_size = host.msg_namelen;
        guest.control_size = host.msg_controllen;
        guest.flags = (uint32_t)host.msg_flags;
        if (guest_write(call->arg[1], &guest, sizeof guest) < 0) {
            return -EFAULT;
        }
    }
    return result;
}

/* Options whose value holds pointers (programs for the kernel, tables of packet filters) are not offered. */
HANDLER(setsockopt) {
    static const int holds_pointers[] = {SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_BPF,
                                         SO_ATTACH_REUSEPORT_EBPF};
    enum { TABLES_FIRST = 64, TABLES_LAST = 96 }; /* IPT_SO_SET_REPLACE and its kin, of SOL_IP and SOL_IPV6 */
    const int level = (int)call->arg[1], option = (int)call->arg[2];
    for (size_t i = 0; level == SOL_SOCKET && i < sizeof holds_pointers / sizeof *holds_pointers; i++) {
        if (option == holds_pointers[i]) {
            return -ENOPROTOOPT;
        }
    }
    if ((level == 0 /* SOL_IP */ || level == 41 /* SOL_IPV6 */) && option >= TABLES_FIRST && option <= TABLES_LAST) {
        return -ENOPROTOOPT;
    }
    const uint64_t arg[6] = {call->arg[0], call->arg[1], call->arg[2], guest_pointer(call->arg[3]), call->arg[4]};
    return host_syscall(SYS_setsockopt, arg);
}

/* ---- waiting */

HANDLER(pselect6) {
    struct {
        uint64_t mask, size;
    } last;
    uint64_t arg[6] = {call->arg[0]};
    for (int i = 1; i < 6; i++) {
        arg[i] = guest_pointer(call->arg[i]);
    }
    if (guest_read(&last, call->arg[5], sizeof last) == 0) {
        last.mask = guest_pointer(last.mask);
        arg[5] = (uint64_t)(uintptr_t)&last;
    }
    return host_syscall(SYS_pselect6, arg);
}

/* ---- commands */

enum { NUMBER, POINTER };

static const struct {
    uint32_t command;
    int takes;
} ioctls[] = {
    {TCGETS, POINTER},
    {TCSETS, POINTER},
    {TCSETSW, POINTER},
    {TCSETSF, POINTER},
    {TCGETS2, POINTER},
    {TCSETS2, POINTER},
    {TCSETSW2, POINTER},
    {TCSETSF2, POINTER},
    {TCGETA, POINTER},
    {TCSETA, POINTER},
    {TCSETAW, POINTER},
    {TCSETAF, POINTER},
    {TCSBRK, NUMBER},
    {TCSBRKP, NUMBER},
    {TCXONC, NUMBER},
    {TCFLSH, NUMBER},
    {TIOCEXCL, NUMBER},
    {TIOCNXCL, NUMBER},
    {TIOCSCTTY, NUMBER},
    {TIOCNOTTY, NUMBER},
    {TIOCGPGRP, POINTER},
    {TIOCSPGRP, POINTER},
    {TIOCGSID, POINTER},
    {TIOCOUTQ, POINTER},
    {TIOCGWINSZ, POINTER},
    {TIOCSWINSZ, POINTER},
    {TIOCMGET, POINTER},
    {TIOCMSET, POINTER},
    {TIOCGPTN, POINTER},
    {TIOCSPTLCK, POINTER},
    {TIOCGPTLCK, POINTER},
    {TIOCGPTPEER, NUMBER},
    {TIOCSBRK, NUMBER},
    {TIOCCBRK, NUMBER},
    {TIOCPKT, POINTER},
    {FIONREAD, POINTER},
    {FIONBIO, POINTER},
    {FIOASYNC, POINTER},
    {FIOCLEX, NUMBER},
    {FIONCLEX, NUMBER},
    {FIOQSIZE, POINTER},
    {SIOCATMARK, POINTER},
    {SIOCGIFNAME, POINTER},
    {SIOCGIFINDEX, POINTER},
    {SIOCGIFFLAGS, POINTER},
    {SIOCGIFADDR, POINTER},
    {SIOCGIFMTU, POINTER},
    {SIOCGIFHWADDR, POINTER},
    {SIOCGIFNETMASK, POINTER},
    {SIOCGIFBRDADDR, POINTER},
    {FS_IOC_GETFLAGS, POINTER},
    {FS_IOC_SETFLAGS, POINTER},
    {FS_IOC_FSGETXATTR, POINTER},
    {FICLONE, NUMBER},
    {FICLONERANGE, POINTER},
    {FIGETBSZ, POINTER},
    {BLKGETSIZE64, POINTER},
    {BLKSSZGET, POINTER},
};

HANDLER(ioctl) {
    const uint32_t command = (uint32_t)call->arg[1];
    for (size_t i = 0; i < sizeof ioctls / sizeof *ioctls; i++) {
        if (ioctls[i].command == command) {
            const uint64_t last = call->arg[2];
            const uint64_t arg[6] = {call->arg[0], command, ioctls[i].takes == POINTER ? guest_pointer(last) : last};
            return host_syscall(SYS_ioctl, arg);
        }
    }
    const int64_t flags = HOST_NOW(SYS_fcntl, call->arg[0], F_GETFD);
    return flags < 0 ? flags : -ENOTTY;
}

HANDLER(fcntl) {
    static const uint16_t with_pointer[] = {F_GETLK,       F_SETLK,       F_SETLKW,           F_OFD_GETLK,
                                            F_OFD_SETLK,   F_OFD_SETLKW,  F_GETOWN_EX,        F_SETOWN_EX,
                                            F_GET_RW_HINT, F_SET_RW_HINT, F_GET_FILE_RW_HINT, F_SET_FILE_RW_HINT};
    uint64_t arg[6] = {call->arg[0], call->arg[1], call->arg[2]};
    for (size_t i = 0; i < sizeof with_pointer / sizeof *with_pointer; i++) {
        if (arg[1] == with_pointer[i]) {
            arg[2] = guest_pointer(call->arg[2]);
        }
    }
    return host_syscall(SYS_fcntl, arg);
}
