/* calc: lines of reverse Polish notation with a table of functions, called through pointers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double add(double a, double b) {
    return a + b;
}
static double sub(double a, double b) {
    return a - b;
}
static double mul(double a, double b) {
    return a * b;
}
static double quotient(double a, double b) {
    return a / b;
}
static const struct {
    const char *name;
    double (*call)(double, double);
} FUNCTIONS[] = {{"+", add}, {"-", sub}, {"*", mul}, {"/", quotient}, {"^", pow}, {"hypot", hypot}, {"atan2", atan2}};

int main(void) {
    char line[512];
    while (fgets(line, sizeof line, stdin)) {
        double stack[64] = {0};
        int top = 0;
        for (char *word = strtok(line, " \n"); word && top < 63; word = strtok(NULL, " \n")) {
            size_t i = 0;
            while (i < sizeof FUNCTIONS / sizeof *FUNCTIONS && strcmp(word, FUNCTIONS[i].name) != 0) {
                i++;
            }
            if (i < sizeof FUNCTIONS / sizeof *FUNCTIONS && top >= 2) {
                top--;
                stack[top - 1] = FUNCTIONS[i].call(stack[top - 1], stack[top]);
            } else {
                stack[top++] = strtod(word, NULL);
            }
        }
        printf("%.12g\n", top ? stack[top - 1] : 0.0);
    }
    return 0;
}
