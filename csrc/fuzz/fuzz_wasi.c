/* In: any bytes as a guest memory, a list of WASI calls with their arguments, and a backend's answers. Checked: the
 * guest's bytes outside its memory stay as they are (guard pages and a pattern), no reply is asked for that has no
 * room. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "wasi/wasi.h"

enum { PAGE = 4096, PAGES = 4, CALLS_MAX = 24, PATTERN = 0xa5 };

/* Words that open doors: a path, an iovec of the whole memory, a dirent, wrapping pointers. */
const struct fuzz_word fuzz_words[] = {
    WORD("a/../b"),
    WORD("\x00\x00\x00\x00\xff\x0f\x00\x00"),
    WORD("\xff\xff\xff\xff\x01\x00\x00\x00"),
    WORD("\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x18\0\x04name"),
    WORD("\x03\0\0\0"),
    {0},
};

struct backend {
    struct rc_sys sys;
    const uint8_t *bytes;
    size_t left;
    uint64_t state;
};

/* The input's next byte; when it is used up, pseudo-random ones. */
static uint8_t next(struct backend *b) {
    if (b->left > 0) {
        b->left--;
        return *b->bytes++;
    }
    b->state = b->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint8_t)(b->state >> 56);
}

static uint64_t number(struct backend *b, int size) {
    uint64_t value = 0;
    for (int i = 0; i < size; i++) {
        value = value << 8 | next(b);
    }
    return value;
}

static int64_t answer(struct rc_sys *self, struct rc_call *c) {
    struct backend *b = (struct backend *)(void *)self;
    static volatile uint8_t sink;
    uint8_t kind = next(b);
    for (size_t i = 0; i < c->data_len; i++) {
        sink ^= ((const uint8_t *)c->data)[i]; /* reading all of it is what a backend does */
    }
    for (int i = 0; i < 2; i++) {
        if (c->str[i] && strlen(c->str[i]) >= PAGE) {
            abort();
        }
    }
    if (kind < 32) {
        return -(int64_t)(number(b, 1) + 1);
    }
    if (kind < 40) {
        return (int64_t)number(b, 8); /* neither a value nor an errno, perhaps */
    }
    size_t len = c->reply_cap == 0 ? 0 : kind < 160 ? c->reply_cap : number(b, 4) % (c->reply_cap + 1);
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)c->reply)[i] = i < 512 ? next(b) : (uint8_t)i;
    }
    c->reply_len = len;
    if (c->reply_cap > 0) {
        return c->nr == RC_SYS_poll ? kind & 1 : (int64_t)len;
    }
    return c->data_len > 0 && kind < 200 ? (int64_t)c->data_len : kind & 15;
}

/* Small values, ends of the memory, wrapping ones, and any. */
static uint64_t argument(struct backend *b, char letter, uint64_t memory_size) {
    uint8_t kind = next(b);
    uint64_t value = kind < 96    ? kind & 7
                     : kind < 160 ? number(b, 2) % (memory_size + 64)
                     : kind < 192 ? memory_size - (kind & 31)
                     : kind < 224 ? (uint64_t)0 - (kind & 31)
                                  : number(b, 8);
    return letter == 'I' ? value : (uint32_t)value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t *mapping;
    if (!mapping) {
        mapping = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapping == MAP_FAILED || mprotect(mapping + PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE) < 0) {
            abort();
        }
    }
    struct backend b = {.sys = {answer}, .bytes = data, .left = size, .state = size};
    uint8_t *page = mapping + PAGE;
    uint64_t memory_size = number(&b, 2) % (PAGES * PAGE + 1);
    uint8_t *memory = page + PAGES * PAGE - memory_size; /* ends at the guard page */
    memset(page, PATTERN, (size_t)(memory - page));
    for (uint64_t i = 0; i < memory_size && b.left > 0; i++) {
        memory[i] = i < size / 2 ? next(&b) : 0;
    }

    char *strings[] = {(char[]){"guest"}, (char[]){"A=1"}, (char[]){""}};
    struct rc_wasi w = {.sys = &b.sys, .memory = memory, .memory_size = memory_size, .argc = 3, .argv = strings};
    struct rc_error err;
    w.envc = 2;
    w.envp = strings + 1;
    if (rc_wasi_init(&w, &err) < 0) {
        return 0;
    }
    for (int call = 0; call < CALLS_MAX && b.left > 0; call++) {
        const struct rc_wasi_function *f = &rc_wasi_functions[next(&b) % rc_wasi_function_count];
        uint64_t arg[16] = {0};
        int n = 0;
        for (const char *letter = strchr(f->signature, '(') + 1; *letter != ')'; letter++) {
            arg[n++] = argument(&b, *letter, memory_size);
        }
        if (f->call(&w, arg) > 76) {
            abort(); /* no such errno */
        }
    }
    rc_wasi_free(&w);
    for (const uint8_t *at = page; at < memory; at++) {
        if (*at != PATTERN) {
            abort();
        }
    }
    return 0;
}
