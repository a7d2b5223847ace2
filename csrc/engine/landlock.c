/* In: a container's root and network rules. Out: a Landlock domain (landlock(7)) that holds even if the root were left:
 * no path outside it, nothing executed, no device made, no TCP port that no rule names, no signal to the outside. */
#include "engine/engine.h"

#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights by the ABI that brought them. By number: headers older than the kernel do not know them all. */
static const uint64_t files_by_abi[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
enum {
    EXECUTE = 1 << 0,
    MAKE_CHAR = 1 << 6,
    MAKE_SOCK = 1 << 9,
    MAKE_BLOCK = 1 << 11,
    IOCTL_DEVICE = 1 << 15,
    BIND = 1 << 0,
    CONNECT = 1 << 1,
    SCOPE_ALL = 3, /* abstract UNIX sockets, signals */
};
#define NEVER ((uint64_t)(EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_BLOCK | IOCTL_DEVICE))

struct ruleset { /* struct landlock_ruleset_attr of ABI 6 */
    uint64_t files, net, scope;
};
struct port { /* struct landlock_net_port_attr */
    uint64_t allowed, port;
};

/* What rules can say by port alone: an access with a rule for every port cannot be handled. */
static uint64_t net_handled(const struct container *c) {
    uint64_t handled = BIND | CONNECT;
    for (uint32_t i = 0; i < c->is.rule_count; i++) {
        if (c->rule[i].port == 0) {
            handled &= ~(uint64_t)(c->rule[i].bind ? BIND : CONNECT);
        }
    }
    return handled;
}

static int add_rules(const struct container *c, int ruleset, const struct ruleset *wanted) {
    struct landlock_path_beneath_attr below = {.allowed_access = wanted->files & ~NEVER, .parent_fd = c->root};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &below, 0) < 0) {
        return -1;
    }
    for (uint32_t i = 0; i < c->is.rule_count; i++) {
        struct port port = {c->rule[i].bind ? BIND : CONNECT, c->rule[i].port};
        if ((wanted->net & port.allowed) &&
            syscall(SYS_landlock_add_rule, ruleset, 2 /* LANDLOCK_RULE_NET_PORT */, &port, 0) < 0) {
            return -1;
        }
    }
    return 0;
}

uint32_t landlock_confine(const struct container *c) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        return 0;
    }
    struct ruleset wanted = {
        .files = files_by_abi[abi > 5 ? 5 : abi],
        .net = abi >= 4 ? net_handled(c) : 0,
        .scope = abi >= 6 ? SCOPE_ALL : 0,
    };
    size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &wanted, size, 0);
    if (ruleset < 0) {
        return 0;
    }
    int failed = add_rules(c, ruleset, &wanted) < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0;
    close(ruleset);
    return failed ? 0
                  : FORCE_LANDLOCK_FILES | (wanted.net == (BIND | CONNECT) ? FORCE_LANDLOCK_NET : 0u) |
                        (wanted.scope ? FORCE_LANDLOCK_SCOPE : 0u);
}
