/* An interval as a picture of one line:   |   <----o---   of characters that every terminal has. */
#include <math.h>
#include <string.h>

#include "answer_private.h"

/* Means are never beyond the scale.  An interval of few seeds can be so wide that all means would fall on one place:
 * on either side it gets as much room as the means themselves take. */
struct scale scale_of(const struct estimate *estimate, int count)
{
    struct scale mean = {INFINITY, -INFINITY}, all = {INFINITY, -INFINITY};
    for (int r = 0; r < count; r++) {
        const struct interval *value = &estimate[r].value;
        mean.low = fmin(mean.low, value->mean); /* fmin and fmax leave NaN out */
        mean.high = fmax(mean.high, value->mean);
        all.low = fmin(all.low, fmin(value->low, value->mean));
        all.high = fmax(all.high, fmax(value->high, value->mean));
    }
    double span = mean.high - mean.low;
    if (!(span >= 0)) return (struct scale){0, 1};
    if (span == 0) return all.high > all.low ? all : (struct scale){mean.low - 0.5, mean.low + 0.5};
    return (struct scale){fmax(all.low, mean.low - span), fmin(all.high, mean.high + span)};
}

static int place_of(const struct scale *scale, double value, int width)
{
    double place = (value - scale->low) / (scale->high - scale->low) * (width - 1);
    return place < 0 ? 0 : place > width - 1 ? width - 1 : (int)lround(place);
}

void strip_draw(const struct scale *scale, const struct interval *interval, int width, char *text)
{
    memset(text, ' ', (size_t)width);
    text[width] = '\0';
    if (isnan(interval->mean)) return;
    if (scale->low <= 0 && scale->high >= 0) text[place_of(scale, 0, width)] = '|';
    if (!isnan(interval->low)) {
        int first = place_of(scale, interval->low, width), last = place_of(scale, interval->high, width);
        memset(text + first, '-', (size_t)(last - first + 1));
        if (interval->low < scale->low) text[0] = '<';
        if (interval->high > scale->high) text[width - 1] = '>';
    }
    text[place_of(scale, interval->mean, width)] = 'o';
}

int decimals_for(double largest)
{
    int decimals = 3;
    for (double limit = 10; largest >= limit && decimals > 0; limit *= 10) decimals--;
    for (double limit = 0.1; largest > 0 && largest < limit && decimals < 9; limit /= 10) decimals++;
    return decimals;
}
