/* In: an artifact's fd, its digest from the signed manifest. Out: a module mapped from exactly the bytes that were
 * hashed. A .cwasm is native code that is not checked again: whoever can change it after the hash runs what he likes,
 * so it is copied into a memfd that nobody can write to, hashed there, and mapped from there. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "engine/wasmtime/config.h"
#include "engine/wasmtime/fail.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8 /* Linux 6.3 */
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int sealed_copy(int fd, uint64_t size, struct rc_error *err) {
    int copy = memfd_create("aot", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (copy < 0 && errno == EINVAL) {
        copy = memfd_create("aot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    if (copy < 0) {
        return rc_fail(err, RC_E_NO_MEMORY, 0, "memfd_create: %s", strerror(errno));
    }
    off_t at = 0;
    while ((uint64_t)at < size) {
        ssize_t sent = sendfile(copy, fd, &at, size - (uint64_t)at);
        if (sent <= 0) {
            int why = errno;
            close(copy);
            return sent < 0 ? rc_fail(err, RC_E_READ, (uint64_t)at, "cannot read the artifact: %s", strerror(why))
                            : rc_fail(err, RC_E_DIGEST, (uint64_t)at, "the artifact is shorter than its manifest says");
        }
    }
    if (fcntl(copy, F_ADD_SEALS, SEALS) < 0) {
        close(copy);
        return rc_fail(err, RC_E_SANDBOX, 0, "cannot seal the artifact's copy: %s", strerror(errno));
    }
    return copy;
}

static int check_digest(int fd, uint64_t size, const uint8_t expected[32], struct rc_error *err) {
    uint8_t found[32];
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) {
        return rc_fail(err, RC_E_NO_MEMORY, 0, "cannot map the artifact: %s", strerror(errno));
    }
    rc_blake3(bytes, size, found);
    munmap(bytes, size);
    if (memcmp(found, expected, sizeof found) != 0) {
        return rc_fail(err, RC_E_DIGEST, 0, "the artifact is not the one its manifest names");
    }
    return 0;
}

static int same_settings(const char *settings, struct rc_error *err) {
    if (strcmp(settings, engine_settings) == 0) {
        return 0;
    }
    size_t at = 0;
    while (settings[at] && settings[at] == engine_settings[at]) {
        at++;
    }
    while (at > 0 && engine_settings[at - 1] != ' ') {
        at--;
    }
    return rc_fail(err, RC_E_ENGINE_MODULE, at,
                   "the artifact was made with `%.60s`, this engine has `%.60s`: make it again",
                   settings + (strlen(settings) > at ? at : strlen(settings)), &engine_settings[at]);
}

int engine_load(struct engine *e, int fd, uint64_t size, const uint8_t blake3[32], const char *settings,
                struct rc_error *err) {
    char path[32];
    if (size == 0 || same_settings(settings, err) < 0) {
        return size ? -1 : rc_fail(err, RC_E_DIGEST, 0, "an artifact of no bytes");
    }
    int copy = sealed_copy(fd, size, err);
    if (copy < 0 || check_digest(copy, size, blake3, err) < 0) {
        return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
    e->wasm = wasm_engine_new_with_config(engine_config());
    wasmtime_error_t *error = wasmtime_module_deserialize_file(e->wasm, path, &e->module);
    close(copy);
    if (error) {
        return engine_fail(err, RC_E_ENGINE_MODULE, "wasmtime refuses the artifact", error);
    }
    e->kind = kind_of(e->module, &e->programs);
    wasmtime_linker_t *linker = wasmtime_linker_new(e->wasm);
    if (kind_link(linker, err) < 0) {
        return -1;
    }
    error = wasmtime_linker_instantiate_pre(linker, e->module, &e->prepared);
    return error ? engine_fail(err, RC_E_ENGINE_LINK, "the module's imports", error) : 0;
}
