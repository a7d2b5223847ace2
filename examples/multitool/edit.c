/* edit SCRIPT [FILE...]: a stream editor. Each line of its input goes through the lines of the script, in order:
 *   keep TEXT        only lines with TEXT go on        drop TEXT     only lines without
 *   after TEXT       what follows the first TEXT       number        the line's number before it
 * A script that begins with `#!/bin/edit` is a program of its own: no shell is needed to start it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 64, LINE = 4096 };

struct step {
    enum { KEEP, DROP, AFTER, NUMBER } verb;
    char text[256];
};

static const char *const verbs[] = {"keep", "drop", "after", "number"};
static struct step steps[STEPS];
static int count;

static int step_of(char *line) {
    char *text = strchr(line, ' ');
    if (text) {
        *text++ = 0;
    }
    for (int verb = KEEP; verb <= NUMBER; verb++) {
        if (strcmp(line, verbs[verb]) == 0 && (text != NULL) == (verb != NUMBER) && count < STEPS &&
            (!text || strlen(text) < sizeof steps->text)) {
            steps[count].verb = verb;
            strcpy(steps[count++].text, text ? text : "");
            return 0;
        }
    }
    return -1;
}

static int read_script(const char *path) {
    char line[LINE];
    FILE *in = fopen(path, "r");
    if (!in) {
        perror(path);
        return -1;
    }
    for (int number = 1; fgets(line, sizeof line, in); number++) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] && line[0] != '#' && step_of(line)) {
            fprintf(stderr, "%s:%d: not a step: keep TEXT, drop TEXT, after TEXT, number\n", path, number);
            return -1;
        }
    }
    fclose(in);
    return 0;
}

static void edit(const char *line, unsigned long number) {
    unsigned long shown = 0;
    for (const struct step *step = steps; step < steps + count; step++) {
        const char *found = step->verb == NUMBER ? NULL : strstr(line, step->text);
        if ((step->verb == KEEP && !found) || (step->verb == DROP && found)) {
            return;
        }
        if (step->verb == AFTER && found) {
            line = found + strlen(step->text);
        }
        shown = step->verb == NUMBER ? number : shown;
    }
    shown ? printf("%lu: %s", shown, line) : printf("%s", line);
}

int main(int argc, char **argv) {
    char line[LINE];
    unsigned long number = 0;
    if (argc < 2) {
        fputs("usage: edit SCRIPT [FILE...]\n", stderr);
        return 2;
    }
    if (read_script(argv[1])) {
        return 2;
    }
    for (int i = 2; i < argc || i == 2; i++) {
        FILE *in = argc == 2 ? stdin : fopen(argv[i], "r");
        if (!in) {
            perror(argv[i]);
            return 1;
        }
        while (fgets(line, sizeof line, in)) {
            edit(line, ++number);
        }
    }
    return 0;
}
