/* In: a JSON document. Out: whether it is valid as a whole, the uniqueness of each object's keys included. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* Enough for every key store that can pass its schema, so reading one allocates nothing here. */
#define PLACES_ON_STACK 2048

/* FNV-1a over the unescaped characters: for speed only, so nobody gains from collisions but a slower refusal. */
static uint64_t hash(const uint8_t *at, const uint8_t *end) {
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    while (*at != '"') {
        h = (h ^ (uint64_t)rc_json_char(&at, end)) * UINT64_C(0x100000001B3);
    }
    return h;
}

/* By group, by hash, by unescaped text: equal strings of one group become neighbours, whatever collides. */
static int compare(const uint8_t *text, const uint8_t *end, struct rc_json_place a, struct rc_json_place b) {
    const uint8_t *x = text + a.at, *y = text + b.at;

    if (a.group != b.group) {
        return a.group < b.group ? -1 : 1;
    }
    if (a.hash != b.hash) {
        return a.hash < b.hash ? -1 : 1;
    }
    while (*x != '"' && *y != '"') {
        int32_t c = rc_json_char(&x, end), d = rc_json_char(&y, end);

        if (c != d) {
            return c < d ? -1 : 1;
        }
    }
    return (*x != '"') - (*y != '"');
}

static void sift(const uint8_t *text, const uint8_t *end, struct rc_json_place *heap, size_t root, size_t count) {
    struct rc_json_place moved = heap[root];
    size_t child;

    while ((child = 2 * root + 1) < count) {
        if (child + 1 < count && compare(text, end, heap[child], heap[child + 1]) < 0) {
            child++;
        }
        if (compare(text, end, moved, heap[child]) >= 0) {
            break;
        }
        heap[root] = heap[child];
        root = child;
    }
    heap[root] = moved;
}

/* Heapsort: no recursion, no allocation, n log n for every input. */
int64_t rc_json_duplicate(const uint8_t *text, size_t len, struct rc_json_place *place, size_t count) {
    const uint8_t *end = text + len;

    for (size_t i = 0; i < count; i++) {
        place[i].hash = hash(text + place[i].at, end);
    }
    for (size_t i = count / 2; i-- > 0;) {
        sift(text, end, place, i, count);
    }
    for (size_t i = count; i-- > 1;) {
        struct rc_json_place largest = place[0];

        place[0] = place[i];
        place[i] = largest;
        sift(text, end, place, 0, i);
    }
    for (size_t i = 1; i < count; i++) {
        if (!compare(text, end, place[i - 1], place[i])) {
            return place[i].at > place[i - 1].at ? place[i].at : place[i - 1].at;
        }
    }
    return -1;
}

/* Walks the document; place NULL: only counts. The number of keys, or -1. */
static int64_t keys(const uint8_t *text, size_t len, const struct rc_json_rules *rules, struct rc_json_place *place,
                    struct rc_error *err) {
    struct rc_json j;
    uint32_t object[RC_JSON_DEPTH_MAX + 1];
    int64_t count = 0;
    int token;

    rc_json_begin(&j, text, len, rules, err);
    while ((token = rc_json_next(&j)) != RC_JSON_END) {
        if (token < 0) {
            return -1;
        }
        if (token == RC_JSON_OBJECT) {
            object[j.depth] = (uint32_t)j.start;
        }
        if (token != RC_JSON_KEY) {
            continue;
        }
        if (place) {
            place[count] = (struct rc_json_place){.group = object[j.depth], .at = (uint32_t)j.start + 1};
        }
        count++;
    }
    return count;
}

int rc_json_valid(const uint8_t *text, size_t len, const struct rc_json_rules *rules, struct rc_error *err) {
    struct rc_json_place stack[PLACES_ON_STACK], *place = stack;
    int64_t count, repeated;

    if (len > UINT32_MAX) {
        return rc_fail(err, rules->code, 0, "a document of more than 4 GiB");
    }
    count = keys(text, len, rules, NULL, err);
    if (count < 0) {
        return -1;
    }
    if (count > PLACES_ON_STACK && !(place = malloc((size_t)count * sizeof *place))) {
        return rc_fail(err, RC_E_NO_MEMORY, 0, "no memory to compare %lld keys", (long long)count);
    }
    keys(text, len, rules, place, err);
    repeated = rc_json_duplicate(text, len, place, (size_t)count);
    if (place != stack) {
        free(place);
    }
    if (repeated >= 0) {
        return rc_fail(err, rules->code, (uint64_t)repeated - 1,
                       "not strict JSON: the key at byte %lld is not the first of its name", (long long)repeated - 1);
    }
    return 0;
}

int rc_json_check(const uint8_t *text, size_t len, int max_depth, struct rc_error *err) {
    struct rc_json_rules rules = {.code = RC_E_RPC_JSON, .max_depth = max_depth};

    if (max_depth < 1 || max_depth > RC_JSON_DEPTH_MAX) {
        return rc_fail(err, RC_E_INTERNAL, 0, "a depth limit of %d", max_depth);
    }
    return rc_json_valid(text, len, &rules, err);
}
