/* Shared between the sources of cli only. */
#ifndef PALIMPSEST_CLI_PRIVATE_H
#define PALIMPSEST_CLI_PRIVATE_H

#include <stdio.h>
#include <sys/types.h>

#include "palimpsest/bench.h"
#include "palimpsest/ledger.h"
#include "palimpsest/plan.h"
#include "palimpsest/schedule.h"
#include "palimpsest/stage.h"
#include "palimpsest/store_archive.h"
#include "palimpsest/world.h"

/* FLOP/s of a rank before anything is known of the machine; labelled as assumed wherever it shows. */
#define ASSUMED_FLOPS_PER_SECOND 1e10

/* ---- options.c ---- */

enum { REUSED_MOST = 64, RANK_COUNTS_MOST = 64 };
struct options {
    const char *file;    /* the one argument, or the first: a sweep or a results file */
    char *const *inputs; /* all of them; merge has several */
    int input_count;
    const char *reuse[REUSED_MOST]; /* earlier results files */
    int reuse_count;
    int rank_count[RANK_COUNTS_MOST]; /* bench simulate: how many ranks, each of them */
    int rank_counts;                  /* none: the usual ones */
    const char *output;               /* -o */
    const char *speed_from;
    const char *by, *metric; /* summary: what to show, and along which axis; NULL: was not given */
    const char *numerics;    /* the core asked for; NULL: none was */
    const char *sweep;       /* verify: where the sweep file of the results lies now; bench train: whose shapes */
    int threads;             /* that share the kernels of a rank */
    int ranks, attempts, samples, stages, seed; /* stages: to verify; seed: -1: by the clock */
    double time_limit;                          /* seconds; 0: none */
    double elapsed;                             /* seconds of time_limit that are over already */
    double checkpoint_every;                    /* seconds; 0: by what a checkpoint costs */
    int64_t max_memory;                         /* bytes per rank; 0: no limit */
    struct bench_shape shape;                   /* bench train: what was given of it; 0: was not */
    double seconds;                             /* that a benchmark takes for each of what it measures */
    const char *save;                           /* file for the speeds measured */
    double stage_seconds;                       /* bench schedule: that a stage sleeps */
    enum keep keep;
    bool csv, json, explain, no_sharing, fresh, retry_failed, break_lock, help, verbose;
};
enum command {
    COMMAND_PLAN,
    COMMAND_WORLD,
    COMMAND_RUN,
    COMMAND_STATUS,
    COMMAND_SUMMARY,
    COMMAND_VERIFY,
    COMMAND_MERGE,
    COMMAND_BENCH_TRAIN,
    COMMAND_BENCH_SCHEDULE,
    COMMAND_BENCH_SIMULATE,
    COMMAND_COUNT
};
const char *command_name(enum command command); /* "plan", "bench train" */
/* arguments[0] is the command's name, or its last word. */
int options_read(enum command command, int count, char **arguments, struct options *options, struct error *err);
void options_print(enum command command, FILE *out); /* one line per option */

/* ---- commands: 0 or an exit status of their own, -1 with err ---- */

/* Every message of err on its own line of stderr; those of a sweep file start with file:line:column already. */
void print_failure(const struct error *err);
int command_plan(const struct options *options, struct error *err);
int command_world(const struct options *options, struct error *err);
int command_run(const struct options *options, struct error *err);
int command_status(const struct options *options, struct error *err);
int command_summary(const struct options *options, struct error *err);
int command_verify(const struct options *options, struct error *err);
int command_merge(const struct options *options, struct error *err);
int command_bench_train(const struct options *options, struct error *err);
int command_bench_schedule(const struct options *options, struct error *err);
int command_bench_simulate(const struct options *options, struct error *err);

/* ---- ranks.c: MPI, for the commands that all processes of mpirun carry out ---- */

void ranks_start(bool verbose); /* before anything that needs MPI, after everything that asks other programs */
/* The exit status: status itself, or that of err when it is negative, which rank 0 then prints. */
int ranks_end(int status, const struct error *err);

/* ---- setup.c: a sweep with its world and plan, on one rank ---- */

struct setup {
    struct sweep *sweep;
    struct world *world;
    struct numerics numerics;
    struct plan *plan;
    struct memory_count loaded; /* with sweep and world, before there is a plan */
};
int setup_read(const char *path, struct setup *setup, struct error *err); /* sweep and world */
int setup_parse(const char *path, const char *text, struct setup *setup, struct error *err);
int setup_plan(struct setup *setup, bool sharing, struct error *err);
void setup_reset(struct setup *setup);
/* Bytes in physical memory at most, with the program and its libraries. */
struct memory_need {
    double program;     /* of it, in every rank: the program, its libraries, and what they take for themselves */
    double worker;      /* of a rank that carries out stages: the world, the states and buffers of the largest stage */
    double coordinator; /* of rank 0 of several: the world and the plan */
    double alone;       /* of a single rank that does both */
};
/* Needs the plan.  threads: that share the kernels of a rank. */
void setup_memory(const struct setup *setup, int threads, struct memory_need *need);
/* Refused when any rank needs more than --max-memory. */
int setup_check_memory(const struct setup *setup, const struct options *options, int ranks, struct error *err);
/* A rank that needs more than the whole machine has is refused, where no --max-memory says that it is meant. */
int setup_check_machine(const struct setup *setup, const struct options *options, int ranks, struct error *err);

/* ---- continue.c: a results file that is there already ---- */

/* 0: path belongs to this plan; -1: another sweep, and err lists what changed. */
int continue_check(const char *path, const struct setup *setup, struct error *err);
/* Appends to err what differs between a file's sweep and another: a line for each setting.  The two differ. */
void list_differences(const struct store_origin *before, const char *explained, const struct numerics *now,
                      struct error *err);

/* ---- rank_threads.c ---- */

/* Starts --threads-per-rank threads for the kernels of this rank, one of `ranks`; warns when they share processors. */
int threads_start(const struct options *options, int ranks, struct error *err);

/* ---- lock.c: one run at a time on a results file ---- */

struct run_lock;
struct lock_wish {
    bool break_lock;    /* take it from a holder that has been silent for long and cannot be proven dead */
    char ended_job[64]; /* a batch job, as run_lock_job names it, of which is known that it is over; empty: none is */
};
/* Rank 0.  Refused: ERROR_OUTSIDE, and the text says who holds it. */
int run_lock_take(const char *results, const struct lock_wish *wish, struct run_lock **lock, struct error *err);
/* Other ranks, once rank 0 has it: whoever takes over from a killed run waits until its ranks are gone. */
void run_lock_join(const char *results, struct run_lock **lock);
int run_lock_beat(void *lock, struct error *err); /* a heartbeat; ERROR_OUTSIDE when somebody else has taken it */
void run_lock_release(struct run_lock **lock);    /* accepts NULL */
/* Fills job[size] with the batch job of whoever left a lock ("slurm 17.0"); "none" or empty: there is none. */
void run_lock_job(const char *results, char *job, size_t size);
enum run_state { RUN_NONE, RUN_AT_WORK, RUN_SILENT, RUN_ENDED }; /* SILENT: elsewhere, no heartbeat for a minute */
struct run_at_work {
    enum run_state state; /* ENDED: without a word, so that the same command goes on */
    char host[64], job[64];
    long process;  /* of rank 0; 0: it has not said who it is yet */
    double silent; /* seconds since its last heartbeat, by this host's clock */
};
void run_lock_look(const char *results, struct run_at_work *found); /* touches nothing */

/* ---- ask.c: the answer of another program ---- */

/* Runs arguments[0], found on the PATH, without a shell, and fills text[size] with what it says on stdout and stderr,
 * without the blanks at its end.  arguments end in NULL.  Its exit status; -1 when it could not be started, was killed,
 * or took more than `seconds` (then it is ended, and text says so).  Before MPI_Init only: Open MPI forbids to fork
 * after it. */
int ask(const char *const arguments[], double seconds, char *text, size_t size);

/* ---- batch.c: what Slurm or PBS know; before MPI_Init ---- */

const char *launched_rank(void); /* what a launcher of MPI has left in the environment; NULL: there is none */
/* The process that will be rank 0, as far as the environment tells; true without a launcher. */
bool first_process(void);
struct batch_time {
    enum { TIME_NONE, TIME_LEFT, TIME_UNLIMITED, TIME_UNKNOWN } kind; /* TIME_NONE: not in a batch job */
    double left;      /* seconds, for TIME_LEFT; not above 0 when the job's time is over */
    char source[256]; /* for people: who says so; for TIME_UNKNOWN: what was said instead */
};
void batch_time_left(struct batch_time *time);
/* job: as a lock names it, "slurm 17.0" (number, restarts; "@CLUSTER" may follow) or "pbs 17.server".  True when the
 * batch system says that it is over; false when it is not, or nobody can tell. */
bool batch_job_ended(const char *job);

/* ---- deadline.c: when the run must be over ---- */

struct deadline {
    double at;      /* clock_seconds(); INFINITY when there is no limit, or none is known */
    double last;    /* the same: what has not come back by then is left */
    bool warned;    /* a batch system ends the job, and may send a signal early */
    char text[512]; /* for the log: the limit and where it comes from; empty: there is nothing to say */
};
/* Before MPI_Init.  The tighter of time_limit (seconds, of which `elapsed` are over now; 0: none) and what is left of
 * the batch job.  Only the first process asks; elsewhere there is no limit. */
void deadline_find(double time_limit, double elapsed, struct deadline *deadline);
double deadline_left(const struct deadline *deadline);      /* seconds, more than 0; 0: there is no limit */
double deadline_last_left(const struct deadline *deadline); /* the same, to the last moment */

/* ---- session.c: one run on many ranks ---- */

struct session {
    MPI_Comm comm;
    int rank, ranks;
    struct setup setup; /* plan: the tree on rank 0, an outline elsewhere */
    struct workshop *workshop;
    struct store *store;
    struct run_lock *lock;
};
int session_open(const struct options *options, const struct lock_wish *wish, MPI_Comm comm, struct session *session,
                 struct error *err);
int session_close(struct session *session, struct error *err);
int check_folder(const char *path, struct error *err); /* that a file can be made there */

/* ---- numerics.c: the numerics class of a run ---- */

/* Agrees on it and starts it on all ranks (collective), into session->setup.numerics: the class of the results file
 * that is there and not thrown away, else what options or OPENBLAS_CORETYPE on rank 0 ask for, else the best that all
 * ranks have. Refused on all ranks, naming the rank that lacks it, before anything is written. */
int numerics_agree(const struct options *options, struct session *session, struct error *err);
/* Starts, on this machine alone, the class of that name, in which results were computed. */
int numerics_take(const char *results, const char *name, struct numerics *numerics, struct error *err);
/* The class of a new sweep on this machine alone, without starting it; core: what is asked for, or NULL. */
int numerics_alone(const char *core, struct numerics *numerics, struct error *err);

/* ---- reuse.c: earlier results files; on rank 0 ---- */

int reuse_check(const struct options *options, struct error *err); /* before anything is written or removed */
int reuse_take(const struct options *options, struct session *session, struct error *err);
bool same_file(const char *a, const char *b); /* by name, or by what the names lead to */

/* ---- verify_states.c: stages computed again, and compared with what is stored ---- */

struct verifier {
    const char *results;
    const struct plan *plan;
    const struct archive *archive;
    struct workshop *workshop;
    struct checkpoint_name *file; /* in the folder of the results */
    size_t files, file_capacity;
    struct state **state; /* [rows]: those that the stage at work is computed from */
};
/* Whether the folder holds the finished state of a stage; it may still be damaged. */
bool verifier_keeps(const struct verifier *verifier, int row);
/* Computes the stage again from the nearest ancestor whose checkpoint is whole, prints what differs, and counts it in
 * *different.  -1: it could not be computed. */
int verifier_compare(struct verifier *verifier, int row, int *different, struct error *err);

/* ---- company.c: other processes at the same work, so that the cores beside the one measured work too ---- */

struct company {
    pid_t *member;
    int count;
};
typedef void company_work_f(void *context); /* does not return, unless it cannot be done */
/* Before MPI_Init and before there are threads.  Each member is bound to a core of its own, none to `core`, which is
 * the caller's, and ends with the caller however that ends.  ERROR_INPUT: more than the cores that this process may
 * use. */
int company_start(struct company *company, int count, int core, company_work_f *work, void *context, struct error *err);
int company_end(struct company *company, struct error *err); /* ERROR_OUTSIDE: one had ended before; err may be NULL */

/* ---- speeds_file.c: what bench train measured, as JSON ---- */

enum { REPORT_SHAPES = 64 };
struct speed_report {
    struct numerics numerics;
    int core; /* that it ran on */
    int threads;
    int ranks;  /* at work at once, of which this was one */
    bool stays; /* the program saw to that, and not its caller */
    int shapes;
    struct bench_shape shape[REPORT_SHAPES];
    struct training_speed speed[REPORT_SHAPES];
};
char *speeds_text(const struct speed_report *report); /* memory_free */
bool speeds_recognise(const char *path);              /* whether the file looks like JSON, good or bad */
bool speeds_hold(const char *path);                   /* whether it holds speeds, of this or another version */
struct speeds_source {                                /* in what they were measured */
    char numerics_class[128];
    int threads;    /* 0: the file does not say */
    double stretch; /* of the shape where it is most: the median step over the fastest */
};
/* A step that takes so many times the fastest: others had the core, or its clock went down. */
#define STEP_DISTURBED 1.5
/* point[*points] is the caller's, memory_free.  ERROR_INPUT says where in the file it is wrong. */
int speeds_read(const char *path, struct speed_point **point, int *points, struct speeds_source *source,
                struct error *err);

/* ---- plan_command.c ---- */

/* What stages of a whole plan will take: by --speed-from, or at the assumed speed.  cost_model_destroy. */
int cost_model_choose(const struct options *options, const struct plan *plan, struct cost_model **model,
                      struct error *err);

/* ---- progress.c ---- */

struct progress_display {
    bool terminal;
    int lines;   /* drawn last time, on a terminal */
    double last; /* seconds: when a plain line was printed */
    int last_ended;
};
bool progress_on_terminal(void); /* whether what goes to stderr ends on a terminal, also through mpirun */
void progress_show(void *display, const struct plan *plan, const struct progress *progress);

/* ---- format.c: numbers for people; text[size] is filled and given back ---- */

char *format_count(double count, char *text, size_t size);      /* 12.3k, 4.56M */
char *format_bytes(double bytes, char *text, size_t size);      /* 1.2 MiB */
char *format_duration(double seconds, char *text, size_t size); /* 1 h 02 min, 3.4 s */
/* Columns that a line on stdout may have: what COLUMNS says, else those of the terminal; 120 where it is none. */
int format_columns(void);
void print_certificate(const struct certificate *certificate, FILE *out);

#endif
