#include "nearest.h"
#include <string.h>

enum { LONGEST = 64 };

/* Edits (insert, delete, replace, swap neighbours) from a to b; LONGEST for long names. */
static int distance(const char *a, const char *b) {
    int n = (int)strlen(a), m = (int)strlen(b), d[LONGEST + 1][LONGEST + 1];
    if (n > LONGEST || m > LONGEST) return LONGEST;
    for (int i = 0; i <= n; i++) {
        for (int j = 0; j <= m; j++) {
            if (!i || !j) {
                d[i][j] = i + j;
                continue;
            }
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}

nearest nearest_to(const char *typed) {
    return (nearest){.typed = typed, .distance = 1 + (int)strlen(typed) / 3};
}

void nearest_offer(nearest *n, const char *name) {
    int d = distance(n->typed, name);
    if (d > n->distance || (n->best && d == n->distance)) return;
    n->best = name;
    n->distance = d;
}
