/* The threads of a rank. */
#include <sched.h>

#include "cli_private.h"
#include "palimpsest/kernels_start.h"

int threads_start(const struct options *options, int ranks, struct error *err)
{
    cpu_set_t allowed;
    if (options->threads == 1) return 0;
    TRY(kernels_set_threads(options->threads, err));
    int processors = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : options->threads;
    if (processors >= options->threads) return 0;
    if (ranks > 1)
        log_line(LOG_WARNING, "%d threads have %d processor%s between them; start with mpirun --map-by slot:PE=%d",
                 options->threads, processors, processors == 1 ? "" : "s", options->threads);
    else
        log_line(LOG_WARNING, "%d threads have %d processor%s between them", options->threads, processors,
                 processors == 1 ? "" : "s");
    return 0;
}
