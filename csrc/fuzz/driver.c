/* In: folders of seeds, a time, a seed. Out: a fuzz target run on mutated inputs, and how far it got. For compilers
 * without libFuzzer.
 *
 *   fuzz_X [--seconds N] [--seed S] [--current FILE] CORPUS_DIR...      mutate until the time is over
 *   fuzz_X --replay FILE...                                             run these inputs once each
 *
 * Coverage comes from -fsanitize-coverage=trace-pc-guard (clang, zig cc) or trace-pc (gcc): an input that reaches a new
 * edge, or an edge a new order of magnitude of times, joins the corpus. The input that runs is in --current, a shared
 * map of its length (u64, little-endian) and its bytes, so a crash loses nothing. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX    ((size_t)1 << 18)
#define CORPUS_MAX   20000
#define EDGES        65536
#define HANG_SECONDS 20

struct input {
    uint8_t *bytes;
    size_t len;
};

static struct input corpus[CORPUS_MAX];
static size_t corpus_count;
static uint8_t hits[EDGES], seen[EDGES];
static unsigned long long executions, edges, seed_edges, random_state;
static const char *replayed;

/* ---- coverage: called by the instrumented code */

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);
void __sanitizer_cov_trace_pc(void);

static void hit(uintptr_t edge) {
    uint8_t *count = &hits[edge % EDGES];

    *count += *count < 255;
}

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop) {
    static uint32_t guards;

    for (; start < stop; start++) {
        if (!*start) {
            *start = ++guards;
        }
    }
}

void __sanitizer_cov_trace_pc_guard(uint32_t *guard) {
    hit(*guard);
}

void __sanitizer_cov_trace_pc(void) {
    hit((uintptr_t)__builtin_return_address(0));
}

/* Orders of magnitude, as afl-fuzz has them: 1, 2, 3, 4-7, 8-15, 16-31, 32-127, 128 and more. */
static uint8_t magnitude(uint8_t count) {
    static const uint8_t least[] = {1, 2, 3, 4, 8, 16, 32, 128};
    uint8_t bit = 0;

    while (bit < 7 && count >= least[bit + 1]) {
        bit++;
    }
    return (uint8_t)(1u << bit);
}

/* How much of hits was never seen before. Most of the map is empty: it is looked at eight counters at a time. */
static int news(void) {
    int found = 0;

    for (size_t word = 0; word < EDGES; word += 8) {
        uint64_t any;

        memcpy(&any, hits + word, sizeof any);
        for (size_t i = word; any && i < word + 8; i++) {
            if (hits[i] && !(seen[i] & magnitude(hits[i]))) {
                edges += !seen[i];
                seen[i] |= magnitude(hits[i]);
                found++;
            }
        }
    }
    return found;
}

/* ---- random numbers: splitmix64, so a seed gives the same run everywhere */

static uint64_t draw(void) {
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t below(size_t n) {
    return n ? (size_t)(draw() % n) : 0;
}

/* ---- mutations of buf[*len], which holds INPUT_MAX */

static void insert(uint8_t *buf, size_t *len, size_t at, const uint8_t *from, size_t count) {
    uint8_t copy[256];

    count = count < sizeof copy ? count : sizeof copy;
    count = count < INPUT_MAX - *len ? count : INPUT_MAX - *len;
    memcpy(copy, from, count); /* from may lie in buf */
    memmove(buf + at + count, buf + at, *len - at);
    memcpy(buf + at, copy, count);
    *len += count;
}

static void flip_bit(uint8_t *buf, size_t *len) {
    if (*len) {
        buf[below(*len)] ^= (uint8_t)(1u << below(8));
    }
}

static void set_byte(uint8_t *buf, size_t *len) {
    if (*len) {
        buf[below(*len)] = (uint8_t)draw();
    }
}

/* A little-endian integer of 2, 4 or 8 bytes becomes one that readers stumble over. */
static void set_field(uint8_t *buf, size_t *len) {
    static const uint64_t edge_values[] = {
        0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (uint64_t)-16, (uint64_t)1 << 63};
    size_t width = (size_t)2 << below(3), at;
    uint64_t value = 0;

    if (*len < width) {
        return;
    }
    at = below(*len - width + 1);
    if (below(2)) {
        at -= at % width;
    }
    for (size_t i = width; i-- > 0;) {
        value = value << 8 | buf[at + i];
    }
    switch (below(4)) {
    case 0:
        value = edge_values[below(sizeof edge_values / sizeof edge_values[0])];
        break;
    case 1:
        value = *len - below(64);
        break;
    case 2:
        value += below(33) - 16;
        break;
    default:
        value = below(64) * 16;
    }
    for (size_t i = 0; i < width; i++) {
        buf[at + i] = (uint8_t)(value >> 8 * i);
    }
}

static void cut_out(uint8_t *buf, size_t *len) {
    size_t at = below(*len), count = 1 + below(below(4) ? 16 : *len);

    if (!*len) {
        return;
    }
    count = count < *len - at ? count : *len - at;
    memmove(buf + at, buf + at + count, *len - at - count);
    *len -= count;
}

static void truncate_input(uint8_t *buf, size_t *len) {
    (void)buf;
    *len = below(*len + 1);
}

static void insert_random(uint8_t *buf, size_t *len) {
    uint8_t bytes[32];
    size_t count = 1 + below(sizeof bytes);
    uint8_t fill = (uint8_t)draw();

    for (size_t i = 0; i < count; i++) {
        bytes[i] = count > 8 ? fill : (uint8_t)draw();
    }
    insert(buf, len, below(*len + 1), bytes, count);
}

static void repeat_part(uint8_t *buf, size_t *len) {
    size_t from = below(*len);

    insert(buf, len, below(*len + 1), buf + from, 1 + below(*len - from));
}

static void write_word(uint8_t *buf, size_t *len) {
    size_t count = 0, at = below(*len + 1);
    const struct fuzz_word *word;

    while (fuzz_words && fuzz_words[count].bytes) {
        count++;
    }
    if (!count) {
        return;
    }
    word = &fuzz_words[below(count)];
    if (below(2) || word->size > *len - at) {
        insert(buf, len, at, (const uint8_t *)word->bytes, word->size);
    } else {
        memcpy(buf + at, word->bytes, word->size);
    }
}

/* The head of this input and the tail of another one. */
static void join(uint8_t *buf, size_t *len) {
    const struct input *other = &corpus[below(corpus_count)];
    size_t head = below(*len + 1), from = below(other->len + 1), count = other->len - from;

    if (count > INPUT_MAX - head) {
        count = INPUT_MAX - head;
    }
    if (count) {
        memcpy(buf + head, other->bytes + from, count);
    }
    *len = head + count;
}

static void (*const mutations[])(uint8_t *, size_t *) = {
    flip_bit, flip_bit,       set_byte,      set_byte,    set_field,  set_field,  set_field,
    cut_out,  truncate_input, insert_random, repeat_part, write_word, write_word, join,
};

/* ---- running */

static void keep(const uint8_t *bytes, size_t len) {
    struct input *slot = &corpus[corpus_count < CORPUS_MAX ? corpus_count++ : below(CORPUS_MAX)];

    free(slot->bytes);
    slot->bytes = malloc(len + 1);
    slot->len = len;
    if (!slot->bytes) {
        abort();
    }
    memcpy(slot->bytes, bytes, len);
}

/* An allocation of exactly this size: AddressSanitizer sees the first byte read past it. */
static int run(const uint8_t *bytes, size_t len) {
    uint8_t *exact = malloc(len ? len : 1);

    if (!exact) {
        abort();
    }
    memcpy(exact, bytes, len);
    memset(hits, 0, sizeof hits);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    executions++;
    return news();
}

static void on_alarm(int number) {
    static unsigned long long last = (unsigned long long)-1;
    static const char message[] = "HANG: one input runs for longer than the limit\n";

    (void)number;
    if (executions == last) {
        if (write(2, message, sizeof message - 1) < 0) {
            _exit(3);
        }
        abort();
    }
    last = executions;
    alarm(HANG_SECONDS);
}

static uint8_t *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(INPUT_MAX);

    if (!file || !bytes) {
        free(bytes);
        if (file) {
            fclose(file);
        }
        return NULL;
    }
    *len = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);
    return bytes;
}

static int load(const char *folder, uint8_t *scratch, uint64_t *scratch_len) {
    DIR *dir = opendir(folder);
    struct dirent *entry;

    if (!dir) {
        perror(folder);
        return -1;
    }
    while ((entry = readdir(dir))) {
        char path[4096];
        size_t len;
        uint8_t *bytes;

        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        bytes = read_file(path, &len);
        if (!bytes) {
            continue;
        }
        memcpy(scratch, bytes, len);
        *scratch_len = len;
        run(bytes, len);
        keep(bytes, len);
        free(bytes);
    }
    closedir(dir);
    return 0;
}

static double seconds(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report(const char *what, double started) {
    printf("%s: %llu executions, %.0f/s, %llu edges (%llu new), corpus %zu\n", what, executions,
           (double)executions / (seconds() - started), edges, edges - seed_edges, corpus_count);
    fflush(stdout);
}

static void fuzz(double duration, uint8_t *buf, uint64_t *shared_len) {
    double started = seconds(), next = started + 10;

    for (;;) {
        const struct input *parent = &corpus[below(corpus_count)];
        size_t len = parent->len, count = (size_t)1 << below(5);

        memcpy(buf, parent->bytes, len);
        while (count--) {
            mutations[below(sizeof mutations / sizeof mutations[0])](buf, &len);
        }
        *shared_len = len;
        if (run(buf, len)) {
            keep(buf, len);
        }
        if (executions % 64) {
            continue;
        }
        if (seconds() - started >= duration) {
            break;
        }
        if (seconds() >= next) {
            report("running", started);
            next += 10;
        }
    }
    report("done", started);
}

static void replay(const char *path) {
    size_t len;
    uint8_t *bytes;

    replayed = path;
    bytes = read_file(path, &len);
    if (!bytes) {
        perror(path);
        exit(2);
    }
    run(bytes, len);
    free(bytes);
    printf("%s: no finding\n", replayed);
}

/* The input under test: a shared map, so its file is right whatever happens to this process. */
static uint8_t *share(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    void *map = MAP_FAILED;

    if (fd >= 0 && !ftruncate(fd, (off_t)(8 + INPUT_MAX))) {
        map = mmap(NULL, 8 + INPUT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (map == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    close(fd);
    return map;
}

int main(int argc, char **argv) {
    const char *current = "fuzz-current";
    double duration = 10;
    uint8_t *shared;
    int i = 1;

    if (argc > 1 && !strcmp(argv[1], "--replay")) {
        for (i = 2; i < argc; i++) {
            replay(argv[i]);
        }
        return 0;
    }
    random_state = (unsigned long long)time(NULL);
    for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
        if (!strcmp(argv[i], "--seconds")) {
            duration = atof(argv[i + 1]);
        } else if (!strcmp(argv[i], "--seed")) {
            random_state = strtoull(argv[i + 1], NULL, 0);
        } else if (!strcmp(argv[i], "--current")) {
            current = argv[i + 1];
        } else {
            break;
        }
    }
    if (i < argc && !strncmp(argv[i], "--", 2)) {
        fprintf(stderr, "usage: %s [--seconds N] [--seed S] [--current FILE] CORPUS_DIR... | --replay FILE...\n",
                argv[0]);
        return 2;
    }
    printf("seed %llu\n", random_state);
    shared = share(current);
    signal(SIGALRM, on_alarm);
    alarm(HANG_SECONDS);
    for (; i < argc; i++) {
        if (load(argv[i], shared + 8, (uint64_t *)shared)) {
            return 2;
        }
    }
    if (!corpus_count) {
        keep((const uint8_t *)"", 0);
    }
    seed_edges = edges;
    printf("%zu seeds, %llu edges\n", corpus_count, edges);
    fuzz(duration, shared + 8, (uint64_t *)shared);
    unlink(current);
    return 0;
}
