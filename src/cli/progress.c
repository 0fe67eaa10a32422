/* Progress: a block redrawn in place on a terminal, else a line every ten seconds. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli_private.h"

enum { WORKERS_SHOWN = 16, BAR = 30 };

static const char *stage_label(const struct plan *plan, int number, char *text, size_t size)
{
    const struct stage *stage = &plan->stage[number];
    const struct sweep *sweep = plan->sweep;
    int index[AXES_MAX], length = 0;
    cell_indices(sweep, stage->cell, index);
    length = snprintf(text, size, "%-11s", stage->place >= 0 ? place_name(stage->place) : stage_kind_name(stage->kind));
    for (int a = 0; a < sweep->axis_count && length > 0 && (size_t)length < size; a++) {
        if (sweep->axes[a].length == 1) continue;
        length += snprintf(text + length, size - (size_t)length, " %s", sweep->axes[a].labels[index[a]]);
    }
    return text;
}

static int ended(const struct ledger_counts *counts) { return counts->done + counts->failed + counts->skipped; }

static void print_line(const struct progress *progress)
{
    char elapsed[32], remaining[32], failed[48] = "";
    if (progress->counts.failed > 0)
        snprintf(failed, sizeof failed, ", %d failed, %d skipped", progress->counts.failed, progress->counts.skipped);
    if (ended(&progress->counts) == progress->stages) {
        fprintf(stderr, "palimpsest: all %d stages have ended%s, %s\n", progress->stages, failed,
                format_duration(progress->elapsed, elapsed, sizeof elapsed));
        return;
    }
    fprintf(stderr, "palimpsest: %d of %d stages ended%s, %d running, %s, about %s to go\n", ended(&progress->counts),
            progress->stages, failed, progress->counts.running,
            format_duration(progress->elapsed, elapsed, sizeof elapsed),
            format_duration(progress->remaining, remaining, sizeof remaining));
}

static int print_workers(const struct plan *plan, const struct progress *progress)
{
    int lines = 0;
    for (int w = 0; w < progress->workers && w < WORKERS_SHOWN; w++, lines++) {
        const struct worker_progress *worker = &progress->worker[w];
        char label[96], rate[32];
        if (worker->stage < 0)
            fprintf(stderr, "\033[K  worker %3d  waiting\n", w);
        else
            fprintf(stderr, "\033[K  worker %3d  %5.1f s  %7s tokens/s  %s\n", w, worker->seconds,
                    isfinite(worker->tokens_per_second) && worker->tokens_per_second > 0
                        ? format_count(worker->tokens_per_second, rate, sizeof rate)
                        : "-",
                    stage_label(plan, worker->stage, label, sizeof label));
    }
    if (progress->workers > WORKERS_SHOWN) {
        fprintf(stderr, "\033[K  and %d more\n", progress->workers - WORKERS_SHOWN);
        lines++;
    }
    return lines;
}

static void draw(struct progress_display *display, const struct plan *plan, const struct progress *progress)
{
    char bar[BAR + 1], elapsed[32], remaining[32];
    int full = progress->stages ? (int)((double)BAR * ended(&progress->counts) / progress->stages) : BAR;
    for (int i = 0; i < BAR; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';
    if (display->lines > 0) fprintf(stderr, "\033[%dA", display->lines);
    fprintf(stderr, "\033[K[%s] %d/%d stages, %d failed, %s, about %s to go\n", bar, ended(&progress->counts),
            progress->stages, progress->counts.failed, format_duration(progress->elapsed, elapsed, sizeof elapsed),
            format_duration(progress->remaining, remaining, sizeof remaining));
    display->lines = 1 + print_workers(plan, progress);
    fflush(stderr);
}

/* mpirun passes the ranks' stderr on through a pipe, so a rank that asks its own stderr learns nothing: what counts is
 * where mpirun's goes, which is the parent of a rank on the same host. */
static bool parent_shows_on_terminal(void)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/%ld/fd/2", (long)getppid());
    int descriptor = open(link, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) return false;
    bool terminal = isatty(descriptor);
    close(descriptor);
    return terminal;
}

bool progress_on_terminal(void)
{
    if (isatty(STDERR_FILENO)) return true;
    return getenv("OMPI_COMM_WORLD_RANK") && parent_shows_on_terminal();
}

void progress_show(void *context, const struct plan *plan, const struct progress *progress)
{
    enum { EVERY = 10 };
    struct progress_display *display = context;
    bool finished = ended(&progress->counts) == progress->stages;
    if (display->terminal) {
        draw(display, plan, progress);
        return;
    }
    if (!finished && progress->elapsed - display->last < EVERY) return;
    if (ended(&progress->counts) == display->last_ended && finished) return;
    display->last = progress->elapsed;
    display->last_ended = ended(&progress->counts);
    print_line(progress);
}
