// A balanced tree (AA) of random keys, with malloc and free: insertions, removals, walks; and tsearch, bsearch, lfind.
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
    struct node *left, *right;
    int key, level;
};
static struct node nil = {&nil, &nil, 0, 0};
static unsigned rotations;
static struct node *skew(struct node *t) {
    struct node *l = t->left;
    if (t == &nil || l->level != t->level) {
        return t;
    }
    rotations++, t->left = l->right, l->right = t;
    return l;
}
static struct node *split(struct node *t) {
    struct node *r = t->right;
    if (t == &nil || r->right->level != t->level) {
        return t;
    }
    rotations++, t->right = r->left, r->left = t, r->level++;
    return r;
}
static struct node *insert(struct node *t, int key) {
    if (t == &nil) {
        t = malloc(sizeof *t);
        *t = (struct node){&nil, &nil, key, 1};
        return t;
    }
    if (key < t->key) {
        t->left = insert(t->left, key);
    } else if (key > t->key) {
        t->right = insert(t->right, key);
    }
    return split(skew(t));
}
static struct node *drop(struct node *t, int key) {
    if (t == &nil) {
        return t;
    }
    if (key == t->key) {
        if (t->left == &nil || t->right == &nil) {
            struct node *rest = t->left == &nil ? t->right : t->left;
            free(t);
            return rest;
        }
        struct node *heir = t->left;
        while (heir->right != &nil) {
            heir = heir->right;
        }
        t->key = heir->key, t->left = drop(t->left, heir->key);
    } else if (key < t->key) {
        t->left = drop(t->left, key);
    } else {
        t->right = drop(t->right, key);
    }
    if (t->left->level < t->level - 1 || t->right->level < t->level - 1) {
        if (t->right->level > --t->level) {
            t->right->level = t->level;
        }
        t = skew(t);
        if (t->right != &nil) {
            t->right = skew(t->right);
        }
        t = split(t);
        if (t->right != &nil) {
            t->right = split(t->right);
        }
    }
    return t;
}
static unsigned long walk(const struct node *t, unsigned depth, unsigned *deepest) {
    if (t == &nil) {
        return 1;
    }
    if (depth > *deepest) {
        *deepest = depth;
    }
    return walk(t->left, depth + 1, deepest) * 31 + (unsigned)t->key + walk(t->right, depth + 1, deepest) * 7;
}
static int by_value(const void *a, const void *b) {
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}
static unsigned visits;
static void visit(const void *node, VISIT which, int depth) {
    if (which == postorder || which == leaf) {
        visits = visits * 33 + (unsigned)**(int *const *)node + (unsigned)depth % 2 * 0;
    }
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    struct node *tree = &nil;
    unsigned random = 1, deepest = 0;
    static int keys[4000];
    for (int n = 0; n < 4000; n++) {
        random = random * 1103515245 + 12345, tree = insert(tree, keys[n] = (int)(random >> 8) % 10000);
    }
    printf("%lx %u %u\n", walk(tree, 1, &deepest), deepest, rotations);
    for (int n = 0; n < 4000; n += 3) {
        tree = drop(tree, keys[n]);
    }
    deepest = 0;
    printf("%lx %u %u\n", walk(tree, 1, &deepest), deepest, rotations);
    void *root = NULL;
    for (int n = 0; n < 500; n++) {
        tsearch(&keys[n], &root, by_value);
    }
    twalk(root, visit);
    int missing = -5, *found = *(int **)tfind(&keys[77], &root, by_value);
    printf("%u %d %d\n", visits, *found == keys[77], tfind(&missing, &root, by_value) == NULL);
    qsort(keys, 4000, sizeof *keys, by_value);
    int *at = bsearch(&keys[1234], keys, 4000, sizeof *keys, by_value);
    size_t count = 4000;
    printf("%d %d\n", *at == keys[1234], lfind(&missing, keys, &count, sizeof *keys, by_value) == NULL);
    hcreate(100);
    char names[50][8];
    for (long n = 0; n < 50; n++) {
        snprintf(names[n], 8, "n%ld", n), hsearch((ENTRY){names[n], (void *)n}, ENTER);
    }
    ENTRY *entry = hsearch((ENTRY){"n33", NULL}, FIND);
    printf("%ld %d\n", (long)entry->data, hsearch((ENTRY){"n50", NULL}, FIND) == NULL);
    hdestroy();
    return 0;
}
