/* freq [FILE...]: how often each word occurs, the most frequent first; words of equal count by their bytes. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    char *text;
    size_t length;
    unsigned long count;
};

static char *text;
static size_t used;
static struct word *words;
static size_t count;

static void *grown(void *old, size_t size) {
    void *made = realloc(old, size);
    if (!made) {
        fputs("freq: out of memory\n", stderr);
        exit(2);
    }
    return made;
}

static int take(FILE *in) {
    size_t got;
    do {
        text = grown(text, used + 65537);
        got = fread(text + used, 1, 65536, in);
        used += got;
    } while (got);
    text[used++] = '\n'; /* a word ends with its file */
    return ferror(in);
}

static int by_text(const void *left, const void *right) {
    const struct word *a = left, *b = right;
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, shorter);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int by_count(const void *left, const void *right) {
    const struct word *a = left, *b = right;
    return a->count == b->count ? by_text(a, b) : a->count < b->count ? 1 : -1;
}

static void split(void) {
    size_t room = 0;
    for (size_t at = 0; at < used;) {
        size_t start = at;
        while (at < used && isalnum((unsigned char)text[at])) {
            at++;
        }
        if (at == start) {
            at++;
            continue;
        }
        if (count == room) {
            words = grown(words, (room = room ? 2 * room : 1024) * sizeof *words);
        }
        words[count++] = (struct word){text + start, at - start, 1};
    }
}

int main(int argc, char **argv) {
    int status = 0;
    for (int i = 1; i < argc || i == 1; i++) {
        FILE *in = argc == 1 ? stdin : fopen(argv[i], "rb");
        if (!in || take(in)) {
            perror(argc == 1 ? "freq" : argv[i]);
            status = 1;
        }
    }
    split();
    if (!count) {
        return status;
    }
    qsort(words, count, sizeof *words, by_text);
    size_t kept = 0;
    for (size_t i = 1; i < count; i++) {
        if (by_text(&words[kept], &words[i]) == 0) {
            words[kept].count++;
        } else {
            words[++kept] = words[i];
        }
    }
    qsort(words, kept + 1, sizeof *words, by_count);
    for (size_t i = 0; i <= kept; i++) {
        printf("%lu %.*s\n", words[i].count, (int)words[i].length, words[i].text);
    }
    return status;
}
