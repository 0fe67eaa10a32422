/* Attempts: how the processes of stages fared that are not committed yet, in four words a row.  They may differ between
 * two runs of one sweep, so they stand in /provenance; a wrong one could condemn a stage, so they carry a check. */
#include "store_private.h"

_Static_assert((int)ATTEMPT_WORDS == (int)MARK_WORDS, "attempts are checked as marks are");

enum { RUNNING_BITS = 2, SUSPECT_BIT = 1 << RUNNING_BITS, DEATHS_SHIFT = 8 };

void attempt_fill(uint64_t words[ATTEMPT_WORDS], int row, const struct stage_attempt *attempt)
{
    words[0] =
        (uint64_t)attempt->running | (attempt->suspect ? SUSPECT_BIT : 0) | (uint64_t)attempt->deaths << DEATHS_SHIFT;
    words[1] = (uint64_t)attempt->step;
    words[2] = (uint64_t)(attempt->furthest + 1); /* so that all zero is none */
    words[3] = mark_check(words, row);
}

struct stage_attempt attempt_read(const uint64_t words[ATTEMPT_WORDS], int row)
{
    if (words[3] != mark_check(words, row)) return (struct stage_attempt){.furthest = -1};
    return (struct stage_attempt){.running = (int)(words[0] & (SUSPECT_BIT - 1)),
                                  .suspect = words[0] & SUSPECT_BIT,
                                  .deaths = (int)(words[0] >> DEATHS_SHIFT),
                                  .step = (int64_t)words[1],
                                  .furthest = (int64_t)words[2] - 1};
}

int store_read_attempts(struct store_reader *reader, struct stage_attempt *attempt, int rows, struct error *err)
{
    struct hdf hdf = {.file = reader->file, .path = reader->path, .err = err};
    uint64_t(*words)[ATTEMPT_WORDS] = memory_array((size_t)rows, sizeof *words);
    int status = hdf_read_whole(&hdf, PROVENANCE_ATTEMPT, H5T_NATIVE_UINT64, (int64_t)rows * ATTEMPT_WORDS, words);
    for (int r = 0; r < rows && status == 0; r++) attempt[r] = attempt_read(words[r], r);
    memory_free(words);
    return status;
}
