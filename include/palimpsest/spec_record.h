/* What a stage leaves behind: kinds and statuses of stages, groups of variables, and the table of instruments with the
 * fields they fill. */
#ifndef PALIMPSEST_SPEC_RECORD_H
#define PALIMPSEST_SPEC_RECORD_H

#include "palimpsest/base.h"
#include "palimpsest/spec_instruments.h"
#include "palimpsest/spec_settings.h"

enum stage_kind { STAGE_INITIAL, STAGE_TRUNK, STAGE_COOLDOWN, STAGE_FINETUNE, STAGE_BRANCH, STAGE_KINDS };
#define STAGE_STATUSES(X)                                                                                              \
    X(STATUS_PENDING, "pending") X(STATUS_RUNNING, "running") X(STATUS_DONE, "done") X(STATUS_DIVERGED, "diverged")    \
    X(STATUS_FAILED, "failed") X(STATUS_SKIPPED, "skipped") X(STATUS_EXCLUDED, "excluded")
#define STATUS_ENUM(name, word) name,
enum stage_status { STAGE_STATUSES(STATUS_ENUM) STATUS_COUNT };
#undef STATUS_ENUM
const char *stage_kind_name(enum stage_kind kind);
const char *stage_status_name(enum stage_status status);
const char *place_name(int place); /* 0: "first", 1: "second", ... */

/* Groups of variables in the results file, one status variable each; a stage can fill places in several. */
enum group {
    GROUP_INITIAL, GROUP_PRETRAINED, GROUP_PLACE /* + place */, GROUP_OUTCOME = GROUP_PLACE + PLACES_MAX,
    GROUP_BRANCH /* + branch */, GROUPS_MAX = GROUP_BRANCH + BRANCHES
};
_Static_assert(GROUPS_MAX <= 32 && INSTRUMENT_COUNT <= 32, "sets of groups and of instruments are words of 32 bits");
const char *group_name(int group); /* "initial", "pretrained", "first", ..., "outcome", the names of the branches */

#define FIELD_LIST(X)                                                                                                  \
    X(LM_LOSS) X(ACCURACY) X(LOSS) X(LOG_ODDS) X(FAILED_RUN) X(LM_RISE) X(LM_PROGRESS_LOST)         \
    X(DISPLACEMENT) X(GRADIENT_NORM) X(CURVE_LOSS) X(FORGETTING) X(FORGETTING_DROP) X(FORGETTING_LOSS_RISE)            \
    X(FORGETTING_MAXIMUM) X(FORGETTING_RELATIVE) X(BACKWARD_TRANSFER) X(ALONE_ACCURACY) X(ALONE_LOSS) X(TRANSFER)             \
    X(READOUT_ACCURACY) X(READOUT_LOSS) X(RESTORED_LM_LOSS) X(ZERO_SHOT_ACCURACY) X(ZERO_SHOT_LOSS)                     \
    X(NOISE_LM_LOSS) X(NOISE_LOSS) X(NOISE_ACCURACY) X(GRADIENT_COSINE_PRETRAINED) X(GRADIENT_COSINE_START)             \
    X(LAYER_COSINE_PRETRAINED) X(LAYER_COSINE_START) X(LOST_ITEMS) X(GAINED_ITEMS) X(LOST_ITEMS_ABOVE_CHANCE)           \
    X(GAINED_ITEMS_ABOVE_CHANCE)                                                                                       \
    X(JOINT_ACCURACY_FIRST) X(JOINT_ACCURACY_LAST) X(JOINT_LOSS_FIRST) X(JOINT_LOSS_LAST) X(INTRANSIGENCE)             \
    X(JOINT_GAP) X(CONTROL_ACCURACY) X(CONTROL_LOSS) X(CONTROL_FORGETTING) X(CONTROL_LM_RISE) X(CODELENGTH)            \
    X(CODELENGTH_PER_ITEM) X(CODELENGTH_COMPRESSION) X(CODELENGTH_CUMULATIVE) X(CODELENGTH_BLOCK_ITEMS)                \
    X(RECOVERY_LOOKS) X(RECOVERY_LM_LOSS) X(RECOVERY_ACCURACY) X(RECOVERY_LOSS) X(RECOVERY_STEPS)                      \
    X(RECOVERY_CENSORED) X(SAVINGS) X(FRONTIER_LOOKS) X(FRONTIER_ACCURACY) X(FRONTIER_LOSS) X(FRONTIER_LM_LOSS)        \
    X(FRONTIER_STEPS) X(FORGETTING_EQUAL_SUCCESS) X(LM_RISE_EQUAL_SUCCESS)                              \
    X(PROBE_ACCURACY_LAST) X(PROBE_ACCURACY_MEAN) X(RSA_LAST) X(RSA_MEAN) X(CKA_LAST) X(CKA_MEAN)                      \
    X(CLASS_OVERLAP_PRETRAINED) X(CLASS_OVERLAP_BEFORE) X(CLASS_OVERLAP_AFTER)
#define FIELD_ENUM(name) FIELD_##name,
enum field_id { FIELD_LIST(FIELD_ENUM) FIELD_COUNT };
#undef FIELD_ENUM
enum field_parts { /* variables of one field in a group, each for the task of a place */
    PART_ONE,          /* one, of no place */
    PART_PLACES,       /* one for every place so far */
    PART_EARLIER       /* one for every place before the last one so far */
};
struct field {
    enum field_id id;
    enum instrument instrument;
    const char *name;            /* the variable is GROUP_NAME; in "outcome" and where a branch says so just NAME */
    int dimensions;              /* of one value */
    enum dimension dimension[2]; /* [dimensions]; the layer, if any, comes first */
    enum field_parts parts;
    unsigned groups;        /* bit g: belongs to group g */
    const char *units, *long_name, *formula, *source;
};
extern const struct field fields_table[FIELD_COUNT]; /* in the order of enum field_id */
/* The variable of a field in a group, of place `part` where there is one per place; false when that group has none. */
bool field_variable(int group, enum field_id id, int part, char *name, size_t size);

/* What is looked at while a stage trains (look_step): the tasks of the first `tasks` places, and language modelling. */
struct looks_wanted {
    struct hash128 id; /* of all that makes what is seen what it is, beside the training; zero: nothing is looked at */
    int tasks;
    bool language;
};

/* The numbers one stage leaves: fields of all its groups, each once, in table order, one after the other. */
/* Values of one variable of field `id`: the product of its dimensions. */
int field_width(enum field_id id, const struct record_extents *extents);
/* Variables of a field in a stage whose last place is `place` (-1 before fine-tuning). */
int field_parts_at(enum field_id id, int place);
/* Variables of a field in a group: 0 when the group has none, or its instrument is not among `instruments` (bit set). */
int field_variables(int group, enum field_id id, unsigned instruments);
/* Values of field `id` in a stage whose last place is `place` (-1 before fine-tuning). */
int field_length(enum field_id id, const struct record_extents *extents, int place);
/* Where field `id` starts in a record, or -1 when `groups` (bit set) and `instruments` (bit set) do not ask for it;
 * with id FIELD_COUNT, the whole length. */
int record_offset(unsigned groups, unsigned instruments, const struct record_extents *extents, int place, int id);

#endif
