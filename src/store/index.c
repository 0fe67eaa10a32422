/* Numbers found by ids: a sorted list, for what is built once and asked often. */
#include <stdlib.h>

#include "store_private.h"

static int by_id(const void *left, const void *right)
{
    const struct indexed *a = left, *b = right;
    int order = hash_order(a->id, b->id);
    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

void index_sort(struct indexed *index, size_t count)
{
    if (count > 0) qsort(index, count, sizeof *index, by_id);
}

size_t index_first(const struct indexed *index, size_t count, struct hash128 id)
{
    struct indexed wanted = {.id = id, .number = -1};
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_id(&index[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && hash_equal(index[low].id, id) ? low : count;
}

int index_find(const struct indexed *index, size_t count, struct hash128 id)
{
    size_t at = index_first(index, count, id);
    return at < count ? index[at].number : -1;
}
