/* The options of all commands in one table: what is parsed, what --help prints, what is refused, all come from here. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli_private.h"
#include "palimpsest/kernels_start.h"

#define PLAN (1u << COMMAND_PLAN)
#define WORLD (1u << COMMAND_WORLD)
#define RUN (1u << COMMAND_RUN)
#define STATUS (1u << COMMAND_STATUS)
#define SUMMARY (1u << COMMAND_SUMMARY)
#define VERIFY (1u << COMMAND_VERIFY)
#define MERGE (1u << COMMAND_MERGE)
#define BENCH_TRAIN (1u << COMMAND_BENCH_TRAIN)
#define BENCH_SCHEDULE (1u << COMMAND_BENCH_SCHEDULE)
#define BENCH_SIMULATE (1u << COMMAND_BENCH_SIMULATE)
#define NO_FILE (BENCH_TRAIN | BENCH_SCHEDULE) /* commands that read none */
#define MAY_FILE BENCH_SIMULATE                /* one that may do without */

enum option_id {
    OPTION_OUTPUT = 'o',
    OPTION_HELP = 'h',
    OPTION_VERBOSE = 'v',
    OPTION_RANKS = 256,
    OPTION_JSON,
    OPTION_EXPLAIN,
    OPTION_NO_SHARING,
    OPTION_SPEED_FROM,
    OPTION_SAMPLES,
    OPTION_FRESH,
    OPTION_REUSE,
    OPTION_KEEP,
    OPTION_TIME_LIMIT,
    OPTION_ELAPSED,
    OPTION_CHECKPOINT_EVERY,
    OPTION_ATTEMPTS,
    OPTION_RETRY_FAILED,
    OPTION_MAX_MEMORY,
    OPTION_BREAK_LOCK,
    OPTION_NUMERICS,
    OPTION_THREADS,
    OPTION_STAGES,
    OPTION_SEED,
    OPTION_SWEEP,
    OPTION_LAYERS,
    OPTION_WIDTH,
    OPTION_HEADS,
    OPTION_CONTEXT,
    OPTION_BATCH,
    OPTION_VOCABULARY,
    OPTION_SECONDS,
    OPTION_SAVE,
    OPTION_BENCH_STAGES,
    OPTION_STAGE_SECONDS,
    OPTION_BENCH_OUTPUT,
    OPTION_RANK_COUNTS,
    OPTION_BENCH_RANKS,
    OPTION_BENCH_SEED,
    OPTION_BY,
    OPTION_METRIC,
    OPTION_CSV,
};

static const struct option_row {
    enum option_id id;
    const char *name, *value; /* value: NULL for a switch */
    unsigned commands;
    const char *help;
} table[] = {
    {OPTION_OUTPUT, "output", "RESULTS.h5", RUN | MERGE,
     "the results file; run continues one that belongs to this sweep, merge makes a new one (-o)"},
    {OPTION_RANKS, "ranks", "N", PLAN, "predict the makespan for N ranks that carry out stages (default 1)"},
    {OPTION_SPEED_FROM, "speed-from", "FILE", PLAN | BENCH_SIMULATE,
     "take the speed of this machine from an earlier results file, or from what bench train saved"},
    {OPTION_EXPLAIN, "explain", NULL, PLAN, "print every resolved value and where it came from"},
    {OPTION_JSON, "json", NULL, PLAN | STATUS | BENCH_TRAIN | BENCH_SCHEDULE | BENCH_SIMULATE, "print JSON"},
    {OPTION_SAMPLES, "samples", "N", WORLD, "sample texts per domain and task (default 2)"},
    {OPTION_BY, "by", "AXIS", SUMMARY,
     "only along this axis, or another dimension of the metric; default: along every axis"},
    {OPTION_METRIC, "metric", "NAME", SUMMARY,
     "another variable of the results: any that has seeds; default: forgetting, language modelling, transfer"},
    {OPTION_CSV, "csv", NULL, SUMMARY, "lines of values with all digits instead of tables; columns below"},
    {OPTION_NO_SHARING, "no-sharing", NULL, PLAN | RUN,
     "every cell carries out its whole path; the same numbers, more work"},
    {OPTION_FRESH, "fresh", NULL, RUN, "throw away RESULTS.h5 and its checkpoints and start again"},
    {OPTION_REUSE, "reuse", "OLD.h5", RUN,
     "take finished stages and kept states from an earlier results file; may be repeated"},
    {OPTION_KEEP, "keep", "none|trunk|all", RUN, "checkpoints that stay: trunk ends and pretrained states by default"},
    {OPTION_TIME_LIMIT, "time-limit", "55m", RUN,
     "stop in time (s, m, h, d; a number alone: seconds), all that was computed saved, exit status 75"},
    {OPTION_ELAPSED, "elapsed", "12m", RUN,
     "so much of --time-limit is over already: hpc/restart says so to a run that it starts again"},
    {OPTION_CHECKPOINT_EVERY, "checkpoint-every", "5m", RUN,
     "of a stage in progress (default: by what one costs, 30 s to 15 min)"},
    {OPTION_ATTEMPTS, "attempts", "N", RUN,
     "deaths of its process, alone and at one step, that fail a stage (default 3); damaged checkpoints likewise"},
    {OPTION_RETRY_FAILED, "retry-failed", NULL, RUN, "run stages again that failed in an earlier run"},
    {OPTION_BREAK_LOCK, "break-lock", NULL, RUN, "take RESULTS.h5 from a run that is silent and known to you as dead"},
    {OPTION_MAX_MEMORY, "max-memory", "4Gi", PLAN | RUN, "refuse a sweep whose stages need more than this per rank"},
    {OPTION_THREADS, "threads-per-rank", "N", PLAN | RUN | VERIFY | BENCH_TRAIN,
     "share the work of each step among N threads (default 1); the same numbers, sooner for models of 256 channels on"},
    {OPTION_NUMERICS, "numerics", "CORE", PLAN | RUN | BENCH_TRAIN | BENCH_SCHEDULE,
     "begin a sweep, or measure, with this BLAS core (Haswell, ...); default: the best that all ranks have"},
    {OPTION_STAGES, "stages", "K", VERIFY, "compute K stages again, drawn at random (default 3; 0: only checksums)"},
    {OPTION_SEED, "seed", "S", VERIFY, "draw the same stages as another run with this seed"},
    {OPTION_SWEEP, "sweep", "SWEEP.yaml", VERIFY, "where the sweep file lies now, when it or its data were moved"},
    {OPTION_SWEEP, "sweep", "SWEEP.yaml", BENCH_TRAIN,
     "measure this sweep's models instead of six shapes, and fine-tuning on texts as long as its tasks' items"},
    {OPTION_LAYERS, "layers", "L", BENCH_TRAIN, "measure one shape instead of six: its blocks (default 4)"},
    {OPTION_WIDTH, "width", "D", BENCH_TRAIN, "one shape: its channels (default 64)"},
    {OPTION_HEADS, "heads", "H", BENCH_TRAIN, "one shape: its attention heads (default 4)"},
    {OPTION_CONTEXT, "context", "T", BENCH_TRAIN, "one shape: tokens of a sequence (default 64)"},
    {OPTION_BATCH, "batch", "B", BENCH_TRAIN, "one shape: sequences of a step (default 16)"},
    {OPTION_VOCABULARY, "vocabulary", "V", BENCH_TRAIN, "one shape: words (default 256)"},
    {OPTION_BENCH_RANKS, "ranks", "N", BENCH_TRAIN,
     "measure one of N that are at work on this machine at once, as ranks of a run are (default 1)"},
    {OPTION_SECONDS, "seconds", "S", BENCH_TRAIN, "measure each shape for so long (default 5s)"},
    {OPTION_SAVE, "save", "FILE", BENCH_TRAIN, "write what was measured to FILE, for plan --speed-from"},
    {OPTION_BENCH_STAGES, "stages", "N", BENCH_SCHEDULE,
     "so many stages, or a few more to fill the grid (default 20000)"},
    {OPTION_STAGE_SECONDS, "stage-seconds", "S", BENCH_SCHEDULE, "each stage sleeps so long (default: does nothing)"},
    {OPTION_BENCH_OUTPUT, "output", "RESULTS.h5", BENCH_SCHEDULE,
     "a new results file, on the disk that counts, which stays, with its folder RESULTS.stages (default: "
     "palimpsest-bench.h5, removed after use) (-o)"},
    {OPTION_RANK_COUNTS, "ranks", "N,N,...", BENCH_SIMULATE,
     "ranks that carry out stages (default 4,16,64,256,1024,4096)"},
    {OPTION_BENCH_SEED, "seed", "S", BENCH_SIMULATE, "draws errors and random order (default 1)"},

    {OPTION_VERBOSE, "verbose", NULL, RUN | PLAN | WORLD | VERIFY, "log more (-v)"},
    {OPTION_HELP, "help", NULL, ~0u, "print this (-h)"},
};
enum { ROWS = sizeof table / sizeof *table };

static int number_of(const char *option, const char *text, long least, long most, int *value, struct error *err)
{
    char *end;
    errno = 0;
    long read = strtol(text, &end, 10);
    if (errno || end == text || *end || read < least || read > most)
        return error_set(err, ERROR_INPUT, "--%s: \"%s\" is not a whole number from %ld to %ld", option, text, least,
                         most);
    *value = (int)read;
    return 0;
}

static int rank_counts_of(const char *text, struct options *options, struct error *err)
{
    enum { RANKS_MOST = 1000000 };
    options->rank_counts = 0;
    for (const char *rest = text;; rest++) {
        char *end;
        errno = 0;
        long read = strtol(rest, &end, 10);
        if (errno || end == rest || (*end && *end != ',') || read < 1 || read > RANKS_MOST)
            return error_set(err, ERROR_INPUT,
                             "--ranks: \"%s\" is not a list of whole numbers from 1 to %d; write 4,16,64", text,
                             RANKS_MOST);
        if (options->rank_counts == RANK_COUNTS_MOST)
            return error_set(err, ERROR_INPUT, "--ranks: more than %d numbers", RANK_COUNTS_MOST);
        options->rank_count[options->rank_counts++] = (int)read;
        rest = end;
        if (!*rest) return 0;
    }
}

static int duration_of(const char *option, const char *text, double *seconds, struct error *err)
{
    static const struct {
        const char *suffix;
        double seconds;
    } units[] = {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    double read = strtod(text, &end);
    for (size_t u = 0; end != text && read > 0 && read < 1e9 && u < sizeof units / sizeof *units; u++)
        if (strcmp(end, units[u].suffix) == 0) {
            *seconds = read * units[u].seconds;
            return 0;
        }
    return error_set(err, ERROR_INPUT, "--%s: \"%s\" is not a duration; write 90s, 55m, 2h or 3d", option, text);
}

static int bytes_of(const char *text, int64_t *bytes, struct error *err)
{
    struct amount amount;
    char why[256];
    if (amount_read(text, &amount, why, sizeof why) != 0 || amount.relative || amount.value < 1)
        return error_set(err, ERROR_INPUT, "--max-memory: \"%s\" is not a number of bytes; write 500M or 4Gi", text);
    *bytes = (int64_t)amount.value;
    return 0;
}

static int keep_of(const char *text, enum keep *keep, struct error *err)
{
    static const char *const words[] = {[KEEP_NONE] = "none", [KEEP_TRUNK] = "trunk", [KEEP_ALL] = "all"};
    for (int k = KEEP_NONE; k <= KEEP_ALL; k++)
        if (strcmp(text, words[k]) == 0) {
            *keep = (enum keep)k;
            return 0;
        }
    return error_set(err, ERROR_INPUT, "--keep: \"%s\" is none of none, trunk, all", text);
}

static int add_reused(const char *path, struct options *options, struct error *err)
{
    if (options->reuse_count == REUSED_MOST)
        return error_set(err, ERROR_INPUT, "--reuse: more than %d files; take from them one run after the other",
                         REUSED_MOST);
    options->reuse[options->reuse_count++] = path;
    return 0;
}

static int take(int id, const char *value, struct options *options, struct error *err)
{
    switch ((enum option_id)id) {
    case OPTION_OUTPUT: options->output = value; return 0;
    case OPTION_REUSE: return add_reused(value, options, err);
    case OPTION_SPEED_FROM: options->speed_from = value; return 0;
    case OPTION_NUMERICS: options->numerics = value; return 0;
    case OPTION_RANKS: return number_of("ranks", value, 1, 1000000, &options->ranks, err);
    case OPTION_THREADS: return number_of("threads-per-rank", value, 1, KERNEL_THREADS_MOST, &options->threads, err);
    case OPTION_STAGES: return number_of("stages", value, 0, INT_MAX, &options->stages, err);
    case OPTION_SEED: return number_of("seed", value, 0, INT_MAX, &options->seed, err);
    case OPTION_SWEEP: options->sweep = value; return 0;
    case OPTION_SAMPLES: return number_of("samples", value, 0, 1000, &options->samples, err);
    case OPTION_ATTEMPTS: return number_of("attempts", value, 1, 250, &options->attempts, err);
    case OPTION_TIME_LIMIT: return duration_of("time-limit", value, &options->time_limit, err);
    case OPTION_ELAPSED: return duration_of("elapsed", value, &options->elapsed, err);
    case OPTION_CHECKPOINT_EVERY: return duration_of("checkpoint-every", value, &options->checkpoint_every, err);
    case OPTION_MAX_MEMORY: return bytes_of(value, &options->max_memory, err);
    case OPTION_LAYERS: return number_of("layers", value, 1, LAYERS_MAX, &options->shape.shape.layers, err);
    case OPTION_WIDTH: return number_of("width", value, 4, 16384, &options->shape.shape.width, err);
    case OPTION_HEADS: return number_of("heads", value, 1, 1024, &options->shape.shape.heads, err);
    case OPTION_CONTEXT: return number_of("context", value, 4, 4096, &options->shape.shape.context, err);
    case OPTION_BATCH: return number_of("batch", value, 1, 65536, &options->shape.batch, err);
    case OPTION_VOCABULARY: return number_of("vocabulary", value, 2, 65536, &options->shape.shape.vocabulary, err);
    case OPTION_SECONDS: return duration_of("seconds", value, &options->seconds, err);
    case OPTION_BENCH_STAGES: return number_of("stages", value, 1, 10000000, &options->stages, err);
    case OPTION_STAGE_SECONDS: return duration_of("stage-seconds", value, &options->stage_seconds, err);
    case OPTION_BENCH_OUTPUT: options->output = value; return 0;
    case OPTION_SAVE: options->save = value; return 0;
    case OPTION_RANK_COUNTS: return rank_counts_of(value, options, err);
    case OPTION_BENCH_RANKS: return number_of("ranks", value, 1, 1024, &options->ranks, err);
    case OPTION_BENCH_SEED: return number_of("seed", value, 0, INT_MAX, &options->seed, err);
    case OPTION_BY: options->by = value; return 0;
    case OPTION_METRIC: options->metric = value; return 0;
    case OPTION_CSV: options->csv = true; return 0;
    case OPTION_KEEP: return keep_of(value, &options->keep, err);
    case OPTION_EXPLAIN: options->explain = true; return 0;
    case OPTION_JSON: options->json = true; return 0;
    case OPTION_NO_SHARING: options->no_sharing = true; return 0;
    case OPTION_FRESH: options->fresh = true; return 0;
    case OPTION_RETRY_FAILED: options->retry_failed = true; return 0;
    case OPTION_BREAK_LOCK: options->break_lock = true; return 0;
    case OPTION_VERBOSE: options->verbose = true; return 0;
    case OPTION_HELP: options->help = true; return 0;
    }
    return error_set(err, ERROR_INPUT, "unknown option");
}

static void long_options(enum command command, struct option *rows)
{
    int count = 0;
    for (int r = 0; r < ROWS; r++)
        if (table[r].commands & 1u << command)
            rows[count++] =
                (struct option){table[r].name, table[r].value ? required_argument : no_argument, NULL, table[r].id};
    rows[count] = (struct option){0};
}

static int refuse(enum command command, const char *argument, int symbol, struct error *err)
{
    return error_set(err, ERROR_INPUT, "%s: %s; see `palimpsest %s --help`", argument,
                     symbol == ':' ? "a value must follow" : "no such option", command_name(command));
}

static int refuse_empty(int id, enum command command, struct error *err)
{
    int row = 0;
    while (table[row].id != (enum option_id)id) row++;
    return error_set(err, ERROR_INPUT, "--%s: the value is empty; give it as %s; see `palimpsest %s --help`",
                     table[row].name, table[row].value, command_name(command));
}

/* What throws something away is never guessed from its first letters. */
static int check_whole(int id, const char *word, struct error *err)
{
    const char *whole = id == OPTION_FRESH ? "--fresh" : id == OPTION_BREAK_LOCK ? "--break-lock" : NULL;
    if (!whole || strcmp(word, whole) == 0) return 0;
    return error_set(err, ERROR_INPUT, "%s: write %s out, if you mean it", word, whole);
}

int options_read(enum command command, int count, char **arguments, struct options *options, struct error *err)
{
    struct option rows[ROWS + 1];
    long_options(command, rows);
    *options = (struct options){.threads = 1,
                                .ranks = 1,
                                .attempts = 3,
                                .samples = 2,
                                .stages = command == COMMAND_BENCH_SCHEDULE ? 20000 : 3,
                                .seed = -1,
                                .keep = KEEP_TRUNK,
                                .seconds = 5};
    opterr = 0;
    optind = 1;
    for (;;) {
        int id = getopt_long(count, arguments, (table[0].commands | BENCH_SCHEDULE) & 1u << command ? ":ho:v" : ":hv",
                             rows, NULL);
        if (id < 0) break;
        if (id == '?' || id == ':') return refuse(command, arguments[optind - 1], id, err);
        if (optarg && !optarg[0]) return refuse_empty(id, command, err);
        TRY(check_whole(id, arguments[optind - 1], err));
        TRY(take(id, optarg, options, err));
    }
    if (options->help) return 0;
    if (1u << command & NO_FILE && optind < count)
        return error_set(err, ERROR_INPUT,
                         "%s: \"%s\" is not an option, and it reads no file; see `palimpsest %s --help`",
                         command_name(command), arguments[optind], command_name(command));
    if (1u << command & NO_FILE || (1u << command & MAY_FILE && optind == count)) return 0;
    if (optind >= count)
        return error_set(err, ERROR_INPUT, "%s: which file? see `palimpsest %s --help`", arguments[0], arguments[0]);
    if (command == COMMAND_MERGE && optind + 1 == count)
        return error_set(err, ERROR_INPUT, "merge: %s with what? name two results files or more", arguments[optind]);
    if (command != COMMAND_MERGE && optind + 1 < count)
        return error_set(err, ERROR_INPUT, "%s: one file at a time, not also \"%s\"", command_name(command),
                         arguments[optind + 1]);
    options->file = arguments[optind];
    options->inputs = arguments + optind;
    options->input_count = count - optind;
    if (table[0].commands & 1u << command && !options->output)
        return error_set(err, ERROR_INPUT, "%s: where to? name the results file with -o RESULTS.h5", arguments[0]);
    return 0;
}

void options_print(enum command command, FILE *out)
{
    for (int r = 0; r < ROWS; r++) {
        char left[64];
        if (!(table[r].commands & 1u << command)) continue;
        snprintf(left, sizeof left, "--%s%s%s", table[r].name, table[r].value ? " " : "",
                 table[r].value ? table[r].value : "");
        fprintf(out, "  %-26s %s\n", left, table[r].help);
    }
}
