/* Shared between the sources of schedule only. */
#ifndef PALIMPSEST_SCHEDULE_PRIVATE_H
#define PALIMPSEST_SCHEDULE_PRIVATE_H

#include "palimpsest/schedule.h"

/* ---- messages: structs as bytes, all ranks run one program; the version guards against a mixed installation ---- */

/* Stages to run queue up under a tag of their own, so that a worker in the middle of one can look for DRAIN past them.
 */
enum { MESSAGE_VERSION = 5, TAG_RUN = 101, TAG_CONTROL = 102, TAG_REPORT = 103 };

enum instruction_kind {
    TELL_RUN,   /* carry out the assignment; its views follow the struct */
    TELL_SAVE,  /* leave a checkpoint of what runs, and go on */
    TELL_DRAIN, /* give back what runs, at its next step, and all that follows */
    TELL_STOP,  /* nothing will follow: sync, report STOPPED, and wait */
    TELL_LEAVE  /* everybody has stopped: leave the loop */
};
enum begun { BEGUN_PARTIAL = 1, BEGUN_WHOLE = 2 }; /* bits: what an earlier attempt left of a stage's own state */
struct instruction {                               /* rank 0 to a worker */
    uint32_t version;
    enum instruction_kind kind;
    int attempts; /* of this stage, with this one: for provenance */
    unsigned begun;
    bool noted; /* the attempt is kept in the results file while the stage runs */
    struct stage_attempt attempt;
    double flops; /* of the stage, by plan */
    int record_length;
    struct assignment assignment;
};

enum report_kind {
    REPORT_DONE,
    REPORT_FAILED,
    REPORT_RETURNED, /* drained */
    REPORT_LOST,     /* an input could not be read; the stage did not start */
    REPORT_STEP,     /* still at work */
    REPORT_SYNCED,   /* only `synced` is news */
    REPORT_ERROR,    /* the outside world: the run must end */
    REPORT_STOPPED
};
enum { REPORT_TEXT = 2048 };
struct report { /* a worker to rank 0 */
    uint32_t version;
    enum report_kind kind;
    int stage, lost_input;     /* lost_input: -1 the parent, else a need */
    int64_t steps;             /* optimiser steps: done, or of this stage so far */
    double seconds;            /* that the stage took of this worker, with its share of the commit */
    double work_seconds;       /* of them in stage_run, without pauses; the rest is reading, writing and messages */
    struct time_spent spent;   /* of them, by what was done */
    int64_t peak_bytes;        /* most memory of this rank so far */
    double checkpoint_seconds; /* that the last checkpoint took to write; 0: none yet */
    bool from_start;           /* nothing of the stage had been done before */
    bool alone;                /* the stage is still not known to get past the place of its deaths */
    int64_t finished, synced;  /* stages this worker has committed in all, and how many of them are surely on disk */
    char text[REPORT_TEXT];    /* sent as far as it is filled */
};

/* Instructions, or reports, one after the other: what goes in one message, so that short stages do not each cost one.
 * Larger messages than this would wait for the receiver; what is larger by itself goes alone. */
enum { MESSAGE_BYTES = 4000 };
struct message {
    char *bytes;
    size_t used, capacity, read; /* read: up to where the _next functions have come */
};
struct sent {
    MPI_Request request;
    char *bytes;
};
struct outbox {    /* of messages to one rank; what does not fit sends what is there first */
    MPI_Comm comm; /* MPI_COMM_NULL: nothing is sent, all stays in one message */
    int rank, tag;
    bool keeps; /* sending does not wait for the receiver: what is on its way is kept until it has arrived */
    struct message message;
    struct sent *sent; /* [on_its_way] */
    int on_its_way;
    size_t sent_capacity;
};
void outbox_put_instruction(struct outbox *outbox, const struct instruction *instruction, const struct view *views);
void outbox_put_report(struct outbox *outbox, const struct report *report);
void outbox_send(struct outbox *outbox);                  /* nothing when it is empty */
void outbox_reset(struct outbox *outbox);                 /* all that was sent has been received */
void report_say(struct report *report, const char *text); /* as much of it as a report holds */
/* False: there is none now.  What was in *message is gone. */
bool message_receive(MPI_Comm comm, int tag, struct message *message, int *rank);
/* The next one of a message, borrowed from it, or NULL. */
const struct instruction *message_next_instruction(struct message *message, const struct view **views);
bool message_next_report(struct message *message, struct report *report);
void message_reset(struct message *message);

/* How to wait when there is nothing to do: naps that grow from `first` to `longest`, before which the core is given
 * away for a moment where stages are short.  Where they take long, an answer may take a little of that. */
struct patience {
    double since, nap, first, longest; /* seconds */
};
/* stage_seconds: that stages take; 0: not known.  expects_answer: what is waited for comes as soon as rank 0 has
 * looked. */
void patience_reset(struct patience *patience, double stage_seconds, bool expects_answer);
void patience_wait(struct patience *patience);

/* ---- a worker: carries out stages, wherever the instructions come from ---- */

/* Asked a few hundred times a second while a stage runs; true: give the stage back. */
typedef bool worker_poll_f(void *context);

enum { STATES_HELD = 8, GROUP_MOST = 32, HOST_TEXT = 64 };
struct held_state {
    struct checkpoint_name name;
    struct state *state;
};
struct ended { /* a stage that was carried out, until its report is sent */
    struct report report;
    struct assignment assignment;
    struct view *views;
    double *record;
    int record_length, attempts;
    double flops, started; /* started: since 1970 */
    unsigned leftovers;    /* enum begun: what of its own is to go once it is committed */
};
struct noted { /* an attempt that the results file is told of */
    bool due;  /* the file says that it runs */
    int row;
    struct stage_attempt attempt;
};
struct worker {
    struct store *store;
    schedule_stage_f *stage; /* what is done with a stage, and where: as the options say */
    void *stage_context;
    const char *results_path;
    char host[HOST_TEXT];
    int rank;
    worker_poll_f *poll;
    void *poll_context;
    struct held_state held[STATES_HELD]; /* inputs and result of the last stage: never more than one stage needs */
    int64_t finished, synced;
    double unsynced_since, last_poll; /* clock; unsynced_since: of the oldest row that is not synced */
    bool sync_failed;                 /* for good: what was written may be lost */
    int64_t peak_bytes;               /* most memory so far, looked up at peak_read */
    double peak_read;
    double stage_seconds; /* that the last stage took */
    /* stages that have ended: short ones are committed together */
    struct ended *ended; /* [GROUP_MOST] */
    int ended_count;
    double ended_since; /* clock at the end of the first */
    bool ended_due;     /* somebody waits for the last */
    /* the stage that runs */
    struct time_spent spent;
    double paused; /* seconds that its training has waited in pauses */
    int64_t step;
    bool within;                      /* between its first step and its last */
    bool pausing;                     /* for good: it is given back */
    struct error pause_error;         /* of a write during a stage */
    struct noted noted, noted_before; /* before: the last one that has ended */
    double noted_at;                  /* clock at the last note */
    double passed;                    /* clock, less paused, when it got further than at any death; 0: it has not */
    /* checkpoints in the middle of stages */
    double checkpoint_every, checkpoint_seconds; /* as the option; as in a report */
    double next_save;                            /* clock */
    int64_t saved_step;                          /* of the last one of this stage */
    bool saving, saved;                          /* saved: there is one */
};
void worker_init(struct worker *worker, const struct schedule_options *options, struct store *store,
                 struct workshop *workshop, int rank);
void worker_reset(struct worker *worker);
/* Carries out one assignment and adds it to those that have ended; a checkpoint of it stands then, its row does not.
 * -1: ERROR_OUTSIDE, the run must end; nothing was added.  There must be room: worker_due, then worker_commit. */
int worker_carry_out(struct worker *worker, const struct instruction *instruction, const struct view *views,
                     struct error *err);
int worker_sync(struct worker *worker, struct error *err);
int64_t worker_peak_bytes(struct worker *worker, double now); /* most memory so far, as of the last tenth of a second */
int worker_sync_if_due(struct worker *worker, struct error *err);

/* group.c: what has ended, committed together. */
/* Takes the record; the report stands in the entry already. */
void worker_add_ended(struct worker *worker, const struct instruction *instruction, const struct view *views,
                      struct stage_result *result);
bool worker_due(const struct worker *worker); /* it is time to, also in the middle of the next stage */
/* Writes their rows and marks, completes their reports, and passes those on in the order in which they ended.  What
 * could not be committed is reported so: the first with the reason, the others as returned.  A failure after the
 * commit, of no stage, is reported for itself. */
typedef void worker_report_f(void *context, const struct report *report);
int worker_commit(struct worker *worker, worker_report_f *pass_on, void *context);

/* The life of a rank other than 0: instructions in, reports out, until TELL_LEAVE. */
void worker_serve(MPI_Comm comm, struct worker *worker);

/* inputs.c: the states a stage starts from, in the memory of a worker. */
bool inputs_held(struct worker *worker, const struct assignment *assignment); /* nothing has to be read */
/* True when all are in memory now; else the report says which one cannot be had, and why. */
bool inputs_fetch(struct worker *worker, const struct assignment *assignment, struct report *report);
const struct state *inputs_parent(struct worker *worker, const struct assignment *assignment); /* or NULL */
/* needs[4] */
void inputs_needs(struct worker *worker, const struct assignment *assignment, const struct state **needs);
void inputs_hold(struct worker *worker, const struct checkpoint_name *name, struct state *state); /* taken */

/* midway.c: a stage between its first step and its last. */
/* Goes on from what an earlier attempt left, writes a checkpoint every so often, and when it is given back. */
int midway_run(struct worker *worker, const struct instruction *instruction, struct stage_result *result,
               struct report *report, struct error *err);
/* What the attempt has left, or an earlier one, and that is to go: enum begun. */
unsigned midway_leftovers(const struct worker *worker, const struct instruction *instruction);
/* The commit of the stage is on disk: that goes. */
int midway_clear(struct worker *worker, const struct ended *ended, struct error *err);
/* The results file no longer says of the last stage that has ended that it runs. */
int midway_settle(struct worker *worker, struct error *err);
int midway_write(struct worker *worker, const struct checkpoint_name *name, const struct state *state,
                 struct error *err);

/* ---- the coordinator ---- */

enum { AHEAD = 128 };
struct slot {                    /* what rank 0 knows of one worker */
    struct outbox out, steering; /* instructions to it: to run stages; all others.  Neither waits for it. */
    int queue[AHEAD], queued;    /* stages it was given and has not reported: the first runs, none: idle */
    double since;                /* clock at the start of the first */
    int64_t step;                /* last told, at that clock */
    double step_told;
    char host[HOST_TEXT];   /* that it runs on */
    double tokens_per_step; /* of the stage; 0: not looked up yet */
    int64_t finished, synced;
    int64_t mark; /* when synced reaches it, everything reported before mark_time is on disk */
    double mark_time, safe_time;
    bool reported, to_visit, stopped; /* reported: ended a stage since the last visit; to_visit: is in that list */
};
struct queued_release {
    int stage;
    double time;
};
struct coordinator {
    MPI_Comm comm;
    struct message in; /* the last reports that came */
    const struct plan *plan;
    const struct schedule_options *options;
    struct store *store;
    struct ledger *ledger;
    struct cost_model *model;
    double *cost, *seconds;           /* [stages]: predicted; taken in this run, 0 when not run */
    unsigned char *attempts, *losses; /* [stages]: earlier runs of it; checkpoints lost in this run */
    unsigned char *begun;             /* [stages]: enum begun, until it is handed out */
    struct suspect *suspect;          /* stages with an attempt on record, by stage; see suspects.c */
    size_t suspects, suspect_capacity;
    int alone;                      /* stage that runs while everybody else waits, or -1 */
    int workers, *idle, idle_count; /* idle: a stack, the last to report on top */
    int *to_visit, to_visit_count;  /* workers that may get more stages, or have been given some and not heard it */
    struct slot *slot;
    struct worker *self; /* with one rank: rank 0's own worker; else NULL */
    struct queued_release *release;
    size_t releases, release_capacity;
    double called_back; /* clock_seconds when ranks were told to come back, or to stop */
    double called;      /* clock_seconds at the door: the time limit counts from there */
    double started, accounted, next_upkeep, next_progress, next_recost, next_heartbeat, own_sync; /* clock_seconds */
    double checkpoint_seconds; /* the longest that one took */
    double stage_seconds;      /* that stages took lately */
    double drain_seconds;      /* that giving back what runs now may take */
    bool own_rows;             /* rank 0 wrote rows since its last sync */
    bool draining;             /* nothing more is handed out, and what runs comes back */
    int heard;                 /* suggestions to drain, so far */
    bool asked;                /* somebody wanted the drain, not the limit */
    bool stopping;             /* no stage runs, and all were told to stop */
    bool overdue_told;         /* who is waited for, that does not come back */
    bool any_observed;
    int ended;            /* stages, in this run */
    struct error failure; /* kind ERROR_NONE: none */
    struct certificate account;
    struct worker_progress *shown;
};

int coordinator_run(struct coordinator *coordinator); /* the loop; failure and account are filled */
void coordinator_fail(struct coordinator *coordinator, const struct error *err);
void coordinator_drain(struct coordinator *coordinator);
void tell_workers(struct coordinator *coordinator, enum instruction_kind kind); /* all of them; none with one rank */

/* replay.c: rows committed by earlier runs become events. */
int coordinator_replay(struct coordinator *coordinator, struct error *err);

void coordinator_take_report(struct coordinator *coordinator, int worker, const struct report *report);

/* hand_out.c */
bool hand_out(struct coordinator *coordinator);                /* true when something was started */
void visit_later(struct coordinator *coordinator, int worker); /* as hand_out ends */
double drain_seconds(const struct coordinator *coordinator);   /* that giving back what runs now may take */

/* own_worker.c: the worker of a run on one rank. */
void begin_here(struct coordinator *coordinator);
void work_here(struct coordinator *coordinator); /* carries out all that it was given */
void stop_here(struct coordinator *coordinator); /* nothing follows: sync */

/* suspects.c: stages whose process died. */
struct suspect {
    int stage;
    struct stage_attempt attempt;
};
/* Reads how the attempts of pending rows ended and writes down what follows; a stage that has died often enough is
 * failed in the results, and its row set to STATUS_FAILED. row[rows]. */
int suspects_read(struct coordinator *coordinator, struct store_reader *reader, enum stage_status *row,
                  struct error *err);
struct stage_attempt suspects_attempt(const struct coordinator *coordinator, int stage); /* as the next one starts */
int suspects_next(const struct coordinator *coordinator);        /* one that can run now, alone; or -1 */
void suspects_clear(struct coordinator *coordinator, int stage); /* it has ended, or got past where it died */

/* A row that rank 0 writes of a stage that was not carried out; reason may be NULL. */
int write_empty_row(struct coordinator *coordinator, int stage, enum stage_status status, const char *reason,
                    struct error *err);

int write_skipped_row(struct coordinator *coordinator, int stage, struct error *err); /* as ledger_skipped told it */

/* upkeep.c: what is done a few times a second, or after events. */
double seconds_left(const struct coordinator *coordinator); /* of the time limit, INFINITY without */
void upkeep(struct coordinator *coordinator, bool now);     /* now: without regard to when it was done last */
void queue_releases(struct coordinator *coordinator);
/* drain.c: whether somebody wants the run to stop now.  An early warning is answered here (schedule_suggest_drain). */
bool drain_requested(struct coordinator *coordinator);
bool drain_insisted(struct coordinator *coordinator); /* SIGUSR1 has come since the last question */

/* overdue.c: who does not come back from a drain is named; at the last moment, or told once more, all processes are
 * ended, with the exit status of ERROR_STOPPED, of the failure, or of ERROR_OUTSIDE when nothing at all was done. */
void leave_when_overdue(struct coordinator *coordinator);

/* account.c: where the time goes. */
void account_idle(struct coordinator *coordinator); /* call before anything changes that idle time is told by */
void account_spent(struct coordinator *coordinator, const struct time_spent *spent); /* of a stage that ended */
void account_finish(struct coordinator *coordinator);
void show_progress(struct coordinator *coordinator);

#endif
