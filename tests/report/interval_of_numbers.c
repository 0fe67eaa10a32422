/* Prints what interval_of makes of its arguments: level, then values ("nan" is a missing one).  mean low high deviation
 * count, for the analysis in Python to compare itself with. */
#include <stdio.h>
#include <stdlib.h>

#include "palimpsest/answer.h"

enum { MOST = 64 };

int main(int count, char **words)
{
    double values[MOST];
    if (count < 2 || count - 2 > MOST) return EXIT_FAILURE;
    for (int i = 2; i < count; i++) values[i - 2] = strtod(words[i], NULL);
    struct interval interval = interval_of(values, count - 2, strtod(words[1], NULL));
    printf("%.17g %.17g %.17g %.17g %d\n", interval.mean, interval.low, interval.high, interval.deviation,
           interval.count);
    return EXIT_SUCCESS;
}
