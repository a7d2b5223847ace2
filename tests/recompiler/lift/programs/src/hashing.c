// An open-addressing hash table of strings that grows; FNV and CRC-32.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    char *key;
    long value;
};
static struct slot *table;
static size_t room, used;
static uint64_t fnv(const char *text) {
    uint64_t hash = 14695981039346656037u;
    while (*text) {
        hash = (hash ^ (uint8_t)*text++) * 1099511628211u;
    }
    return hash;
}
static uint32_t crc32(const void *data, size_t size) {
    uint32_t crc = ~0u;
    for (const uint8_t *p = data; size--; p++) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
        }
    }
    return ~crc;
}
static struct slot *find(const char *key) {
    size_t at = fnv(key) & (room - 1);
    while (table[at].key && strcmp(table[at].key, key)) {
        at = (at + 1) & (room - 1);
    }
    return &table[at];
}
static void put(const char *key, long value) {
    if (used * 4 >= room * 3) {
        struct slot *old = table;
        size_t count = room;
        room = room ? room * 2 : 8;
        table = calloc(room, sizeof *table);
        for (size_t i = 0; i < count; i++) {
            if (old[i].key) {
                *find(old[i].key) = old[i];
            }
        }
        free(old);
    }
    struct slot *slot = find(key);
    if (!slot->key) {
        slot->key = strdup(key), used++;
    }
    slot->value += value;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    char key[32];
    for (int i = 0; i < 20000; i++) {
        sprintf(key, "k%d-%x", i * 7919 % 3001, i % 5);
        put(key, i);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < room; i++) {
        if (table[i].key) {
            sum = sum * 31 + fnv(table[i].key) + (uint64_t)table[i].value;
        }
    }
    printf("%zu %zu %016llx %ld\n", used, room, (unsigned long long)sum, find("k5-0")->value);
    printf("%08x %08x\n", crc32("123456789", 9), crc32(table, 0));
    return 0;
}
