/* Instruments: what `measure:` switches, the dimensions their numbers have, and the branches they add: stages beside a
 * cell's own path of pretraining and fine-tuning. */
#ifndef PALIMPSEST_SPEC_INSTRUMENTS_H
#define PALIMPSEST_SPEC_INSTRUMENTS_H

#include <stdbool.h>

#include "palimpsest/spec_settings.h"

/* X(word in the sweep file, name): those that are always on come first. */
#define INSTRUMENTS(X)                                                                                                 \
    X("scores", SCORES) X("forgetting", FORGETTING) X("retention", RETENTION) X("stability", STABILITY)                \
    X("curves", CURVES) X("transfer", TRANSFER) X("ablation", ABLATION) X("prompts", PROMPTS)                          \
    X("mediators", MEDIATORS) X("items", ITEMS) X("controls", CONTROLS) X("codelength", CODELENGTH)     \
    X("recovery", RECOVERY) X("frontier", FRONTIER) X("probes", PROBES) X("similarity", SIMILARITY)
#define INSTRUMENT_ENUM(word, name) INSTRUMENT_##name,
enum instrument { INSTRUMENTS(INSTRUMENT_ENUM) INSTRUMENT_COUNT };
#undef INSTRUMENT_ENUM
const char *instrument_name(enum instrument instrument);
bool instrument_always(enum instrument instrument);
bool instrument_on(unsigned instruments, enum instrument instrument); /* in that bit set */

/* Dimensions of a field beside those of the grid, X(name in the results file, name). */
#define DIMENSIONS(X)                                                                                                  \
    X("domain", DOMAIN) X("layer", LAYER) X("point", POINT) X("restored", RESTORED) X("prompt", PROMPT)                \
    X("noise", NOISE) X("block", BLOCK) X("progress", PROGRESS) X("probed", PROBED)
#define DIMENSION_ENUM(word, name) DIMENSION_##name,
enum dimension { DIMENSIONS(DIMENSION_ENUM) DIMENSION_COUNT };
#undef DIMENSION_ENUM
const char *dimension_name(enum dimension dimension);
/* Their lengths in one sweep: of the longest model, task and training, so that all cells have the same. */
struct record_extents {
    int length[DIMENSION_COUNT]; /* at least 1; layer counts embedding, blocks, final */
};

enum { NOISE_SCALES = 4 };
extern const double noise_scales[NOISE_SCALES]; /* deviation of weight noise as a share of a tensor's root mean square */

/* A branch starts from the state of its cell's pretraining, or of the first, the last but one or the last place of its
 * sequence, and nothing of the cell's own path starts from it.  It fills one group of variables, which has its name. */
enum branch {
    BRANCH_ALONE, BRANCH_TRANSFER, BRANCH_JOINT, BRANCH_RELABELLED, BRANCH_ELSEWHERE, BRANCH_NOISE_LABELS,
    BRANCH_MORE_PRETRAINING, BRANCH_RATE_ZERO, BRANCH_PREQUENTIAL_FIRST, BRANCH_PREQUENTIAL_LAST, BRANCH_AFTER_FIRST,
    BRANCH_AFTER_LAST, BRANCH_RELEARNT, BRANCH_RELEARNT_HEAD, BRANCHES
};
enum branch_from { FROM_PRETRAINED, FROM_FIRST, FROM_BEFORE_LAST, FROM_LAST };
enum branch_per { PER_SEQUENCE, PER_FIRST_TASK, PER_LAST_TASK }; /* what of the sequence its numbers depend on */
struct branch_rule {
    const char *name, *meaning;
    enum instrument instrument;
    enum branch_from from;
    enum branch_per per;
    bool second;         /* its numbers depend on finetune.second */
    bool bare;           /* its variables have the fields' names; else NAME_FIELD */
    int needs;
    enum branch need[2]; /* branches of the same cell from its pretrained state, whose states this one reads */
};
extern const struct branch_rule branches_table[BRANCHES];
/* Whether it goes on with pretraining, on the stream that the cell's own has read, to see how soon what was lost is back. */
bool branch_recovers_reading(enum branch branch);
bool branch_reads_on(enum branch branch); /* trains on windows of text as pretraining does, to recover or as a control */
/* By which a branch trains on tasks.  Joint: that of the first place, for the steps of all places together.  Prequential:
 * that of its place, `steps` before each block but the first.  Rate 0: all but the rate.  Zeroed where there is none. */
struct finetune_recipe branch_recipe(enum branch branch, const struct settings *settings, int places);

#endif
