/* policy.h: what the stub itself takes from a manifest. */
#ifndef LOADER_POLICY_H
#define LOADER_POLICY_H

#include <stddef.h>
#include <stdint.h>

/* policy.limits.memory_bytes of a manifest that rc_manifest_check accepted; 0 when it is not there. */
uint64_t policy_memory_bytes(const uint8_t *manifest, size_t len);

#endif
