// qsort and bsearch with callbacks on elements of several sizes; a heap sort and a merge sort beside them.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
    char name[12];
    double weight;
    int order;
};
static uint32_t seed = 1;
static uint32_t next(void) {
    return seed = seed * 1664525u + 1013904223u;
}
static int calls;
static int by_int(const void *a, const void *b) {
    calls++;
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}
static int by_byte(const void *a, const void *b) {
    return *(const uint8_t *)a - *(const uint8_t *)b;
}
static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}
static int by_weight(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    return x->weight < y->weight ? -1 : x->weight > y->weight ? 1 : x->order - y->order;
}
static void heap_sort(int *v, int n) {
    for (int end = n, root = n / 2 - 1; end > 1;) {
        int at = root >= 0 ? root-- : 0;
        if (root < -1 || (at == 0 && root == -1 && end <= n && at != root + 1)) {
            at = 0;
        }
        if (root == -2) {
            int t = v[0];
            v[0] = v[--end], v[end] = t;
        } else if (at == 0) {
            root = -2;
        }
        for (int child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && v[child + 1] > v[child]) {
                child++;
            }
            if (v[at] >= v[child]) {
                break;
            }
            int t = v[at];
            v[at] = v[child], v[child] = t;
        }
    }
}
static void merge_sort(int *v, int *room, int n) {
    if (n < 2) {
        return;
    }
    int half = n / 2, a = 0, b = half, to = 0;
    merge_sort(v, room, half);
    merge_sort(v + half, room, n - half);
    while (a < half || b < n) {
        room[to++] = b == n || (a < half && v[a] <= v[b]) ? v[a++] : v[b++];
    }
    memcpy(v, room, (size_t)n * sizeof *v);
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int n = 0; n < 2000; n = n * 2 + 1) {
        int *a = malloc((size_t)(n + 1) * 4 * sizeof *a), *b = a + n, *c = b + n, *room = c + n;
        for (int i = 0; i < n; i++) {
            a[i] = b[i] = c[i] = (int)next() >> (n & 15);
        }
        qsort(a, (size_t)n, sizeof *a, by_int);
        heap_sort(b, n);
        merge_sort(c, room, n);
        unsigned sum = 0;
        int same = !memcmp(a, c, (size_t)n * sizeof *a), ordered = 1;
        for (int i = 0; i < n; i++) {
            sum = sum * 31 + (unsigned)a[i], ordered &= i == 0 || b[i - 1] <= b[i];
        }
        int key = n ? a[n / 2] : 0, *found = bsearch(&key, a, (size_t)n, sizeof *a, by_int);
        printf("%d: %08x %d %d %d %d\n", n, sum, same, ordered, found ? *found == key : -1, calls);
        free(a);
    }
    uint8_t bytes[301];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(next() >> 24);
    }
    qsort(bytes, sizeof bytes, 1, by_byte);
    for (unsigned i = 0; i < sizeof bytes; i += 25) {
        printf("%d ", bytes[i]);
    }
    const char *words[] = {"wasm", "x86", "lift", "block", "", "trap", "fault", "guest", "host", "page"};
    qsort(words, 10, sizeof *words, by_text);
    for (int i = 0; i < 10; i++) {
        printf("[%s]", words[i]);
    }
    struct pair pairs[50];
    for (int i = 0; i < 50; i++) {
        snprintf(pairs[i].name, sizeof pairs[i].name, "p%u", next() % 1000);
        pairs[i].weight = (double)(next() % 20) / 8, pairs[i].order = i;
    }
    qsort(pairs, 50, sizeof *pairs, by_weight);
    for (int i = 0; i < 50; i += 7) {
        printf("\n%s %d %d", pairs[i].name, (int)(pairs[i].weight * 8), pairs[i].order);
    }
    puts("");
    return 0;
}
