/* Which known word was meant. */
#include <stdbool.h>
#include <string.h>

#include "palimpsest/base_words.h"

static int smaller(int a, int b) { return a < b ? a : b; }

/* Edits from a to b: insertion, deletion, substitution, exchange of neighbours (optimal string alignment). */
static int edits(const char *a, const char *b)
{
    enum { MOST = 64 };
    int rows[3][MOST + 1];
    size_t long_a = strlen(a), long_b = strlen(b);
    if (long_a > MOST || long_b > MOST) return MOST;
    for (size_t j = 0; j <= long_b; j++) rows[0][j] = (int)j;
    for (size_t i = 1; i <= long_a; i++) {
        int *now = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= long_b; j++) {
            int best = smaller(above[j], now[j - 1]) + 1;
            best = smaller(best, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = smaller(best, two_above[j - 2] + 1);
            now[j] = best;
        }
    }
    return rows[long_a % 3][long_b];
}

/* How far `known` is from what was written; a word that was only begun, or only its last part, or
 * one that goes on, is near. */
static int distance(const char *word, const char *known)
{
    size_t length = strlen(word), whole = strlen(known);
    int far = edits(word, known);
    bool begun = length >= 3 && strncmp(word, known, length) == 0;
    bool last =
        length >= 3 && whole > length && known[whole - length - 1] == '.' && strcmp(known + whole - length, word) == 0;
    bool longer = whole >= 3 && strncmp(word, known, whole) == 0;
    return (begun || last || longer) && far > 2 ? 2 : far;
}

int word_nearest(const char *word, const char *const *known, int count)
{
    int best = 1 + (int)strlen(word) / 4, found = -1;
    if (best > 3) best = 3;
    for (int i = 0; i < count; i++) {
        int far = distance(word, known[i]);
        if (far > best || (far == best && found >= 0)) continue;
        best = far;
        found = i;
    }
    return found;
}
