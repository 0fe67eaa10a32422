/* Names of instruments and dimensions, and the table of branches. */
#include "palimpsest/spec.h"

#define WORD_OF(word, name) word,
static const char *const instrument_words[] = {INSTRUMENTS(WORD_OF)};
static const char *const dimension_words[] = {DIMENSIONS(WORD_OF)};

const double noise_scales[NOISE_SCALES] = {0.1, 0.2, 0.4, 0.8};

const char *instrument_name(enum instrument instrument) { return instrument_words[instrument]; }
bool instrument_always(enum instrument instrument) { return instrument <= INSTRUMENT_STABILITY; }
bool instrument_on(unsigned instruments, enum instrument instrument) { return (instruments & 1u << instrument) != 0; }
bool branch_recovers_reading(enum branch branch) { return branch == BRANCH_AFTER_FIRST || branch == BRANCH_AFTER_LAST; }
bool branch_reads_on(enum branch branch)
{
    return branch_recovers_reading(branch) || branch == BRANCH_MORE_PRETRAINING;
}
const char *dimension_name(enum dimension dimension) { return dimension_words[dimension]; }

const struct branch_rule branches_table[BRANCHES] = {
    [BRANCH_ALONE] = {.name = "alone",
                      .meaning = "the last task learnt from the pretrained state",
                      .instrument = INSTRUMENT_TRANSFER,
                      .from = FROM_PRETRAINED,
                      .per = PER_LAST_TASK,
                      .second = true,
                      .bare = true},
    [BRANCH_TRANSFER] = {.name = "transfer",
                         .meaning = "a sequence beside its last task alone, and beside all its tasks learnt together",
                         .instrument = INSTRUMENT_TRANSFER,
                         .from = FROM_LAST,
                         .per = PER_SEQUENCE,
                         .second = true,
                         .bare = true,
                         .needs = 2,
                         .need = {BRANCH_ALONE, BRANCH_JOINT}},
    [BRANCH_JOINT] = {.name = "joint",
                      .meaning = "all tasks of the sequence learnt together from the pretrained state",
                      .instrument = INSTRUMENT_TRANSFER,
                      .from = FROM_PRETRAINED,
                      .per = PER_SEQUENCE,
                      .second = true,
                      .bare = true},
    [BRANCH_RELABELLED] = {.name = "relabelled",
                           .meaning = "in place of the second task: the first one's items, each label turned to the "
                                      "next class",
                           .instrument = INSTRUMENT_CONTROLS,
                           .from = FROM_FIRST,
                           .per = PER_FIRST_TASK,
                           .second = true},
    [BRANCH_ELSEWHERE] = {.name = "elsewhere",
                          .meaning = "in place of the second task: the first one on sentences of other domains",
                          .instrument = INSTRUMENT_CONTROLS,
                          .from = FROM_FIRST,
                          .per = PER_FIRST_TASK,
                          .second = true},
    [BRANCH_NOISE_LABELS] = {.name = "noise_labels",
                             .meaning =
                                 "in place of the second task: the first one's items with labels drawn at random",
                             .instrument = INSTRUMENT_CONTROLS,
                             .from = FROM_FIRST,
                             .per = PER_FIRST_TASK,
                             .second = true},
    [BRANCH_MORE_PRETRAINING] = {.name = "more_pretraining",
                                 .meaning = "in place of the second task: pretraining read on for as many steps",
                                 .instrument = INSTRUMENT_CONTROLS,
                                 .from = FROM_FIRST,
                                 .per = PER_FIRST_TASK,
                                 .second = true},
    [BRANCH_RATE_ZERO] = {.name = "rate_zero",
                          .meaning = "the second task at learning rate 0",
                          .instrument = INSTRUMENT_CONTROLS,
                          .from = FROM_FIRST,
                          .per = PER_SEQUENCE,
                          .second = true},
    [BRANCH_PREQUENTIAL_FIRST] = {.name = "prequential_first",
                                  .meaning = "the labels of the first task coded block by block from the pretrained "
                                             "state",
                                  .instrument = INSTRUMENT_CODELENGTH,
                                  .from = FROM_PRETRAINED,
                                  .per = PER_FIRST_TASK},
    [BRANCH_PREQUENTIAL_LAST] = {.name = "prequential_last",
                                 .meaning = "the labels of the last task coded block by block from the state before it",
                                 .instrument = INSTRUMENT_CODELENGTH,
                                 .from = FROM_BEFORE_LAST,
                                 .per = PER_SEQUENCE,
                                 .second = true},
    [BRANCH_AFTER_FIRST] = {.name = "after_first",
                            .meaning = "pretraining continued after the first task",
                            .instrument = INSTRUMENT_RECOVERY,
                            .from = FROM_FIRST,
                            .per = PER_FIRST_TASK},
    [BRANCH_AFTER_LAST] = {.name = "after_last",
                           .meaning = "pretraining continued after the last task of a sequence",
                           .instrument = INSTRUMENT_RECOVERY,
                           .from = FROM_LAST,
                           .per = PER_SEQUENCE,
                           .second = true},
    [BRANCH_RELEARNT] = {.name = "relearnt",
                         .meaning = "the first task of a sequence learnt once more after the last",
                         .instrument = INSTRUMENT_RECOVERY,
                         .from = FROM_LAST,
                         .per = PER_SEQUENCE,
                         .second = true},
    [BRANCH_RELEARNT_HEAD] = {.name = "relearnt_head",
                              .meaning = "the head alone of the first task learnt once more after the last",
                              .instrument = INSTRUMENT_RECOVERY,
                              .from = FROM_LAST,
                              .per = PER_SEQUENCE,
                              .second = true},
};

static struct finetune_recipe joint_recipe(const struct settings *settings, int places)
{
    struct finetune_recipe recipe = settings->first;
    recipe.steps += (places - 1) * settings->second.steps;
    return recipe;
}

static struct finetune_recipe prequential_recipe(const struct finetune_recipe *of, const struct settings *settings)
{
    struct finetune_recipe recipe = *of;
    recipe.steps = settings->codelength.steps;
    return recipe;
}

struct finetune_recipe branch_recipe(enum branch branch, const struct settings *settings, int places)
{
    struct finetune_recipe recipe = settings->second;
    switch (branch) {
    case BRANCH_ALONE:
    case BRANCH_RELABELLED:
    case BRANCH_ELSEWHERE:
    case BRANCH_NOISE_LABELS: return recipe;
    case BRANCH_RATE_ZERO: recipe.optimizer.learning_rate = 0; return recipe;
    case BRANCH_JOINT: return joint_recipe(settings, places);
    case BRANCH_PREQUENTIAL_FIRST: return prequential_recipe(&settings->first, settings);
    case BRANCH_PREQUENTIAL_LAST: return prequential_recipe(&settings->second, settings);
    case BRANCH_RELEARNT:
    case BRANCH_RELEARNT_HEAD: return settings->first;
    case BRANCH_TRANSFER:
    case BRANCH_MORE_PRETRAINING:
    case BRANCH_AFTER_FIRST:
    case BRANCH_AFTER_LAST:
    case BRANCHES: break;
    }
    return (struct finetune_recipe){0};
}
