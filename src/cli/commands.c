/* The commands: which there are, help, and how each ends. */
#include <string.h>

#include "cli_private.h"
#include "palimpsest/answer.h"
#include "palimpsest/cli.h"

static const struct command_row {
    const char *name, *usage, *help;
    int (*carry_out)(const struct options *options, struct error *err);
    bool everywhere; /* by all processes that mpirun started; else by one of them */
} rows[COMMAND_COUNT] = {
    [COMMAND_PLAN] = {"plan", "plan SWEEP.yaml [options]", "checks a sweep and says what it will cost; trains nothing",
                      command_plan, false},
    [COMMAND_WORLD] = {"world", "world SWEEP.yaml [options]", "shows what will be learnt from", command_world, false},
    [COMMAND_RUN] = {"run", "run SWEEP.yaml -o RESULTS.h5 [options]",
                     "runs a sweep, or goes on with one; with mpirun on as many ranks as cores and one more",
                     command_run, true},
    [COMMAND_STATUS] = {"status", "status RESULTS.h5 [options]", "progress of a running or stopped sweep",
                        command_status, false},
    [COMMAND_SUMMARY] = {"summary", "summary RESULTS.h5 [options]", "the answer as tables, or as CSV", command_summary,
                         false},
    [COMMAND_VERIFY] = {"verify", "verify RESULTS.h5 [options]",
                        "checks every checksum, computes some stages again, and compares every bit", command_verify,
                        false},
    [COMMAND_MERGE] = {"merge", "merge A.h5 B.h5 [...] -o C.h5",
                       "joins results files of one sweep, of which each has computed a part", command_merge, false},
    [COMMAND_BENCH_TRAIN] = {"bench train", "bench train [options]",
                             "how fast one core trains, near what limit, and where its time goes", command_bench_train,
                             false},
    [COMMAND_BENCH_SCHEDULE] = {"bench schedule", "bench schedule [options]",
                                "how many stages per second pass through the ranks that mpirun starts",
                                command_bench_schedule, true},
    [COMMAND_BENCH_SIMULATE] = {"bench simulate", "bench simulate [SWEEP.yaml] [options]",
                                "how near the order of work comes to the shortest makespan, on 4 to 4096 ranks",
                                command_bench_simulate, false},
};

const char *command_name(enum command command) { return rows[command].name; }

static void print_usage(FILE *out)
{
    fputs("palimpsest: when does a transformer's first lesson survive the second?\n\n"
          "usage: palimpsest COMMAND ...\n\n",
          out);
    for (int c = 0; c < COMMAND_COUNT; c++) fprintf(out, "  %-40s %s\n", rows[c].usage, rows[c].help);
    fputs("\n  palimpsest COMMAND --help                the options of a command\n"
          "  palimpsest --version                     what it was built with\n\n"
          "on many cores: mpirun -n N palimpsest run SWEEP.yaml -o RESULTS.h5\n\n"
          "exit status: 0 all stages done; 1 finished, but stages failed (verify: something differs); 2 the sweep "
          "file, data or options are wrong;\n"
          "3 the outside world failed (disk, memory, files); 70 a bug in palimpsest; 75 stopped early on purpose, run "
          "the\n"
          "same command again\n",
          out);
}

static void print_help(enum command command)
{
    printf("usage: palimpsest %s\n\n%s\n\n", rows[command].usage, rows[command].help);
    options_print(command, stdout);
    if (command == COMMAND_SUMMARY) {
        puts("\ncolumns of the CSV, one line for each metric, axis and value:\n");
        answer_csv_columns(stdout);
    }
    if (command != COMMAND_RUN) return;
    puts("\n"
         "In a batch job the time limit is the tighter of --time-limit and the end of the job, which is taken from\n"
         "SLURM_JOB_END_TIME, or asked of squeue or qstat before MPI starts; the log says which it was.\n"
         "Ranks that do not come back are named then.  Shortly before the end of the job, or after as much time\n"
         "again (at least ten minutes) where only --time-limit is known, all processes are ended: 75, or 3 where\n"
         "nothing was done.\n\n"
         "signals: USR1, to mpirun or to the run, stops it: all that was computed is saved, exit status 75, and the "
         "same\n"
         "command goes on.  In the last eleven minutes of a batch job whose end is known USR1 counts as the batch\n"
         "system's early warning: what runs is saved and work goes on as long as the end permits; a second USR1 stops\n"
         "at once.  Without mpirun, TERM and INT stop it too, and a second one ends it.");
}

static int print_version(void)
{
    char libraries[256];
    struct numerics numerics;
    struct error err;
    store_versions(libraries, sizeof libraries);
    printf("palimpsest %s\ncompiler: %s\nlibraries: %s\n", PALIMPSEST_VERSION, PALIMPSEST_COMPILER, libraries);
    if (numerics_alone(NULL, &numerics, &err) != 0) {
        print_failure(&err);
        return error_exit_status(err.kind);
    }
    printf("numerics: %s, version %d\n", numerics.class_name, numerics.version);
    return 0;
}

/* Every message of err on its own line; those of a sweep file start with file:line:column already. */
void print_failure(const struct error *err)
{
    char *text = memory_text(err->text), *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) fprintf(stderr, "palimpsest: %s\n", line);
    memory_free(text);
}

static int carry_out(enum command command, int count, char **arguments)
{
    struct options options;
    struct error err = {0};
    int status = options_read(command, count, arguments, &options, &err);
    if (status == 0 && options.help) {
        print_help(command);
        return 0;
    }
    if (!rows[command].everywhere && !first_process()) return 0;
    if (status == 0) {
        log_configure(options.verbose ? LOG_DEBUG : LOG_NOTE, -1);
        status = rows[command].carry_out(&options, &err);
    }
    if (status >= 0) return status;
    if (first_process()) print_failure(&err); /* it speaks for all that mpirun started */
    return error_exit_status(err.kind);
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* bench WHAT: the commands of two words. */
static int bench(int count, char **arguments)
{
    char name[64];
    const char *what = count > 1 ? arguments[1] : "";
    snprintf(name, sizeof name, "bench %s", what);
    for (int c = 0; c < COMMAND_COUNT; c++)
        if (strcmp(name, rows[c].name) == 0) return carry_out((enum command)c, count - 1, arguments + 1);
    bool asked = asks_for_help(what);
    FILE *out = asked ? stdout : stderr;
    if (!asked && count > 1) fprintf(stderr, "palimpsest: bench: \"%s\" is not a benchmark\n", what);
    if (!asked && count == 1) fputs("palimpsest: bench: which benchmark?\n", stderr);
    fputs("usage: palimpsest bench WHAT [options]\n\n", out);
    for (int c = 0; c < COMMAND_COUNT; c++)
        if (strncmp(rows[c].name, "bench ", 6) == 0) fprintf(out, "  %-40s %s\n", rows[c].usage, rows[c].help);
    fputs("\n  palimpsest bench WHAT --help             the options of one\n", out);
    return asked ? 0 : 2;
}

static int dispatch(int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : "";
    if (strcmp(name, "bench") == 0) return bench(count - 1, arguments + 1);
    for (int c = 0; c < COMMAND_COUNT; c++)
        if (strcmp(name, rows[c].name) == 0) return carry_out((enum command)c, count - 1, arguments + 1);
    if (strcmp(name, "--version") == 0) return print_version();
    bool asked = asks_for_help(name);
    if (!asked && count > 1) fprintf(stderr, "palimpsest: \"%s\" is not a command\n", name);
    print_usage(asked ? stdout : stderr);
    return asked ? 0 : 2;
}

/* What was printed and got lost must not look like success: the place it goes to may be full. */
int cli_main(int count, char **arguments)
{
    memory_return_freed();
    int status = dispatch(count, arguments);
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    fputs("palimpsest: standard output could not be written; what it should have said is lost\n", stderr);
    return status == 0 ? error_exit_status(ERROR_OUTSIDE) : status;
}
