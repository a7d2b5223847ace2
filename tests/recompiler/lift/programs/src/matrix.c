// Matrices of float, double and int; Gauss elimination; a complex FFT by hand.
#include <math.h>
#include <stdio.h>
#include <string.h>

#define N 24
static double a[N][N], b[N][N], c[N][N];
static float f[N][N];
static int m[N][N], p[N][N];

static double determinant(double v[N][N]) {
    double result = 1;
    for (int i = 0; i < N; i++) {
        int best = i;
        for (int r = i; r < N; r++) {
            if (fabs(v[r][i]) > fabs(v[best][i])) {
                best = r;
            }
        }
        if (v[best][i] == 0) {
            return 0;
        }
        for (int k = 0; k < N && best != i; k++) {
            double t = v[i][k];
            v[i][k] = v[best][k], v[best][k] = t;
        }
        result *= best == i ? v[i][i] : -v[i][i];
        for (int r = i + 1; r < N; r++) {
            for (int k = N - 1; k >= i; k--) {
                v[r][k] -= v[i][k] * v[r][i] / v[i][i];
            }
        }
    }
    return result;
}
static void fft(double *re, double *im, int n, int sign) {
    for (int i = 1, j = 0; i < n; i++) {
        int bit = n >> 1;
        for (; j & bit; bit >>= 1) {
            j ^= bit;
        }
        j ^= bit;
        if (i < j) {
            double t = re[i];
            re[i] = re[j], re[j] = t, t = im[i], im[i] = im[j], im[j] = t;
        }
    }
    for (int size = 2; size <= n; size *= 2) {
        for (int at = 0; at < n; at += size) {
            for (int k = 0; k < size / 2; k++) {
                double angle = sign * 2 * 3.14159265358979323846 * k / size, x = cos(angle), y = sin(angle);
                double *r = re + at + k, *i = im + at + k;
                double u = r[size / 2] * x - i[size / 2] * y, v = r[size / 2] * y + i[size / 2] * x;
                r[size / 2] = *r - u, i[size / 2] = *i - v, *r += u, *i += v;
            }
        }
    }
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)((i * 37 + j * 11) % 19) - 9 + (i == j) * 5;
            b[i][j] = 1.0 / (1 + i + j);
            f[i][j] = (float)(i - j) / 3;
            m[i][j] = (i * j) % 13 - 6;
        }
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            for (int k = 0; k < N; k++) {
                c[i][j] += a[i][k] * b[k][j];
                f[i][j] = f[i][j] * 0.5f + (float)b[k][i];
                p[i][j] += m[i][k] * m[k][j];
            }
        }
    }
    double trace = 0;
    float sum = 0;
    int ints = 0;
    for (int i = 0; i < N; i++) {
        trace += c[i][i], sum += f[i][N - 1 - i], ints ^= p[i][(i * 5) % N];
    }
    printf("%.17g %.9g %d %.15g\n", trace, (double)sum, ints, determinant(a));
    double re[256], im[256];
    for (int i = 0; i < 256; i++) {
        re[i] = sin(i * 0.1) + (i % 7), im[i] = 0;
    }
    fft(re, im, 256, -1);
    printf("%.12g %.12g %.12g\n", re[0], re[37], im[200]);
    fft(re, im, 256, 1);
    printf("%.9f %.9f\n", re[5] / 256, re[255] / 256);
    return 0;
}
