/* Numbers for people. */
#include <math.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli_private.h"

char *format_count(double count, char *text, size_t size)
{
    static const char *const suffix[] = {"", "k", "M", "G", "T", "P", "E"};
    int s = 0;
    while (fabs(count) >= 999.5 && s < 6) {
        count /= 1000;
        s++;
    }
    bool whole = s == 0 && (count == 0 || fabs(count) >= 0.5);
    snprintf(text, size, whole ? "%.0f%s" : "%.3g%s", count, suffix[s]);
    return text;
}

char *format_bytes(double bytes, char *text, size_t size)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    int u = 0;
    while (bytes >= 1023.5 && u < 4) {
        bytes /= 1024;
        u++;
    }
    snprintf(text, size, u == 0 ? "%.0f %s" : "%.1f %s", bytes, unit[u]);
    return text;
}

char *format_duration(double seconds, char *text, size_t size)
{
    if (!isfinite(seconds))
        snprintf(text, size, "?");
    else if (seconds < 60)
        snprintf(text, size, "%.1f s", seconds);
    else if (seconds < 3600)
        snprintf(text, size, "%d min %02d s", (int)(seconds / 60), (int)fmod(seconds, 60));
    else if (seconds < 48 * 3600.0)
        snprintf(text, size, "%d h %02d min", (int)(seconds / 3600), (int)fmod(seconds / 60, 60));
    else if (seconds < 1000 * 86400.0)
        snprintf(text, size, "%.1f days", seconds / 86400);
    else
        snprintf(text, size, "%.4g years", seconds / (365.25 * 86400));
    return text;
}

int format_columns(void)
{
    const char *given = getenv("COLUMNS");
    struct winsize window;
    int columns = given ? atoi(given) : 0;
    if (columns > 0) return columns;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        return window.ws_col;
    return 120;
}

static void print_share(const char *cause, double seconds, double whole, FILE *out)
{
    char text[32];
    if (seconds > 0)
        fprintf(out, "    %-22s %s (%.1f %%)\n", cause, format_duration(seconds, text, sizeof text),
                100 * seconds / whole);
}

/* What ranks did while they were busy is not known of runs by earlier versions. */
static bool knows_spent(const struct certificate *certificate) { return certificate->peak_bytes > 0; }

static void print_spent(const struct certificate *certificate, double whole, FILE *out)
{
    char worker[32], coordinator[32];
    if (!knows_spent(certificate)) return;
    fprintf(out, "  busy ranks, by what they did\n");
#define PRINT(member, name) print_share(name, certificate->spent.member, whole, out);
    TIME_SPENT(PRINT)
#undef PRINT
    print_share("starting", certificate->starting, whole, out);
    fprintf(out, "  memory at most           %s in a rank, %s in rank 0\n",
            format_bytes((double)certificate->peak_bytes, worker, sizeof worker),
            format_bytes((double)certificate->peak_bytes_rank_0, coordinator, sizeof coordinator));
}

/* What is left, so that all that is printed is the whole: files and messages stand with the busy time, where it is
 * known. */
static double between_stages(const struct certificate *certificate)
{
    double left = certificate->ranks * certificate->makespan - certificate->idle_parent - certificate->idle_tail -
                  certificate->idle_drain;
    if (!knows_spent(certificate)) return certificate->idle_io;
#define TAKE(member, name) left -= certificate->spent.member;
    TIME_SPENT(TAKE)
#undef TAKE
    return left;
}

void print_certificate(const struct certificate *certificate, FILE *out)
{
    char a[32], b[32], c[32];
    double whole = certificate->ranks * certificate->makespan + certificate->starting;
    fprintf(out, "certificate\n  stages                   %d done, %d failed, %d skipped\n", certificate->stages_done,
            certificate->stages_failed, certificate->stages_skipped);
    fprintf(out, "  makespan                 %s on %d rank%s; lower bound %s; ratio %.3f\n",
            format_duration(certificate->makespan, a, sizeof a), certificate->ranks, certificate->ranks == 1 ? "" : "s",
            format_duration(certificate->lower_bound, b, sizeof b),
            certificate->lower_bound > 0 ? certificate->makespan / certificate->lower_bound : 1.0);
    print_spent(certificate, whole, out);
    fprintf(out, "  idle ranks, by cause\n");
    print_share("waiting for a parent", certificate->idle_parent, whole, out);
    print_share("tail", certificate->idle_tail, whole, out);
    print_share("between stages", between_stages(certificate), whole, out);
    print_share("drain", certificate->idle_drain, whole, out);
    fprintf(out, "  optimiser steps          %lld in this run; minimal tree %lld\n",
            (long long)certificate->steps_executed, (long long)certificate->steps_tree);
    fprintf(out, "  work three ways (FLOP)   %s cell by cell, %s with one pretraining per amount, %s as a tree\n",
            format_count(certificate->flops_per_cell_alone, a, sizeof a),
            format_count(certificate->flops_one_pretraining_each, b, sizeof b),
            format_count(certificate->flops_tree, c, sizeof c));
}
