/* The table of instruments: what each measures, in which groups of variables, and by which formula.  Everything that
 * knows a field (its length, its place in a record, its variable's name and attributes) knows it from here. */
#include <stdio.h>

#include "palimpsest/spec.h"

#define STATUS_WORD(name, word) [name] = word,
static const char *const status_words[] = {STAGE_STATUSES(STATUS_WORD)};
static const char *const kind_words[] = {[STAGE_INITIAL] = "initial",
                                         [STAGE_TRUNK] = "trunk",
                                         [STAGE_COOLDOWN] = "cooldown",
                                         [STAGE_FINETUNE] = "fine-tuning"};
static const char *const place_words[PLACES_MAX] = {"first", "second", "third",   "fourth",
                                                    "fifth", "sixth",  "seventh", "eighth"};
static const char *const instrument_words[INSTRUMENT_COUNT] = {
    [INSTRUMENT_SCORES] = "scores",       [INSTRUMENT_FORGETTING] = "forgetting", [INSTRUMENT_RETENTION] = "retention",
    [INSTRUMENT_STABILITY] = "stability", [INSTRUMENT_CURVES] = "curves",
};

const char *stage_kind_name(enum stage_kind kind) { return kind_words[kind]; }
const char *stage_status_name(enum stage_status status) { return status_words[status]; }
const char *place_name(int place) { return place_words[place]; }
const char *instrument_name(enum instrument instrument) { return instrument_words[instrument]; }
bool instrument_always(enum instrument instrument) { return instrument <= INSTRUMENT_STABILITY; }

const char *group_name(int group)
{
    if (group == GROUP_INITIAL) return "initial";
    if (group == GROUP_PRETRAINED) return "pretrained";
    return group == GROUP_OUTCOME ? "outcome" : place_words[group - GROUP_PLACE];
}

#define BIT(group) (1u << (group))
#define INITIAL BIT(GROUP_INITIAL)
#define PRETRAINED BIT(GROUP_PRETRAINED)
#define PLACES (((1u << PLACES_MAX) - 1) << GROUP_PLACE)
#define OUTCOME BIT(GROUP_OUTCOME)

#define NATS "nats per token"
#define R_KEY "R[s][j]: accuracy on the task of place j after stage s; k: the last place"

const struct field fields_table[FIELD_COUNT] = {
    {FIELD_LM_LOSS, INSTRUMENT_SCORES, "lm_loss", EXTENT_DOMAIN, INITIAL | PRETRAINED | PLACES, NATS,
     "language-modelling loss on the fixed reference windows of each domain",
     "mean over tokens of -log p(token | tokens before it in the window)", "Kaplan et al. 2020"},
    {FIELD_ACCURACY, INSTRUMENT_SCORES, "accuracy", EXTENT_PLACES, PLACES, "1", "accuracy on the test items of a task",
     "correct / items", "R in Lopez-Paz and Ranzato 2017"},
    {FIELD_LOSS, INSTRUMENT_SCORES, "loss", EXTENT_PLACES, PLACES, "nats", "cross-entropy on the test items of a task",
     "mean over items of -log p(true label)", "-"},
    {FIELD_LOG_ODDS, INSTRUMENT_SCORES, "log_odds", EXTENT_PLACES, PLACES, "nats",
     "log-odds of the true label on the test items of a task", "mean over items of log(p / (1 - p)), p = p(true label)",
     "-"},
    {FIELD_FAILED_RUN, INSTRUMENT_STABILITY, "failed_run", EXTENT_ONE, PLACES, "1",
     "1 where the task just trained was not learnt better than its majority class, else 0",
     "1 when P(X >= correct) > 0.05 for X ~ Binomial(items, majority share)", "Mosbach et al. 2021"},
    {FIELD_LM_RISE, INSTRUMENT_RETENTION, "lm_rise", EXTENT_ONE, PLACES, NATS,
     "rise of the language-modelling loss since pretraining",
     "mean over reference domains of lm_loss - pretrained_lm_loss", "Bethune et al. 2025"},
    {FIELD_LM_PROGRESS_LOST, INSTRUMENT_RETENTION, "lm_progress_lost", EXTENT_ONE, PLACES, "1",
     "fraction of pretraining's progress on language modelling that is lost",
     "(L - L_pretrained) / (L_initial - L_pretrained), L: mean lm_loss over reference domains; missing at amount 0",
     "after Bethune et al. 2025"},
    {FIELD_DISPLACEMENT, INSTRUMENT_STABILITY, "displacement", EXTENT_LAYER, PLACES, "1",
     "distance of each layer's weights from the pretrained ones, relative", "||W - W_pretrained|| / ||W_pretrained||",
     "Merchant et al. 2020"},
    {FIELD_GRADIENT_NORM, INSTRUMENT_STABILITY, "gradient_norm", EXTENT_LAYER, PRETRAINED | PLACES, "1",
     "norm of each layer's gradient before clipping, mean over the training steps", "mean over steps of ||dL/dW||",
     "Mosbach et al. 2021"},
    {FIELD_CURVE_LOSS, INSTRUMENT_CURVES, "curve_loss", EXTENT_POINT, PRETRAINED | PLACES, "nats",
     "learning curve: training loss, mean over the steps up to each point since the point before",
     "mean over steps point[i-1] + 1 .. point[i] of the batch loss", "-"},
    {FIELD_FORGETTING, INSTRUMENT_FORGETTING, "forgetting", EXTENT_ONE, OUTCOME, "1",
     "share of what was learnt above chance that is gone after the last task",
     "mean over j < k, j learnt (R[j][j] - chance > 3 standard errors), of (R[j][j] - R[k][j]) / (R[j][j] - chance); "
     "missing where nothing was learnt. " R_KEY,
     "palimpsest; normalisation after Ramasesh et al. 2022"},
    {FIELD_FORGETTING_DROP, INSTRUMENT_FORGETTING, "forgetting_drop", EXTENT_ONE, OUTCOME, "1", "raw drop of accuracy",
     "mean over j < k of R[j][j] - R[k][j]. " R_KEY, "Kemker et al. 2018"},
    {FIELD_FORGETTING_LOSS_RISE, INSTRUMENT_FORGETTING, "forgetting_loss_rise", EXTENT_ONE, OUTCOME, "nats",
     "rise of the loss on earlier tasks", "mean over j < k of loss[k][j] - loss[j][j]", "-"},
    {FIELD_FORGETTING_MAXIMUM, INSTRUMENT_FORGETTING, "forgetting_maximum", EXTENT_ONE, OUTCOME, "1",
     "best accuracy before the last task minus accuracy after it",
     "mean over j < k of max over j <= l < k of R[l][j], minus R[k][j]. " R_KEY, "Chaudhry et al. 2018"},
    {FIELD_FORGETTING_RELATIVE, INSTRUMENT_FORGETTING, "forgetting_relative", EXTENT_ONE, OUTCOME, "1",
     "drop of accuracy as a share of the accuracy first reached",
     "mean over j < k of (R[j][j] - R[k][j]) / R[j][j]. " R_KEY, "Mehta et al. 2023"},
    {FIELD_BACKWARD_TRANSFER, INSTRUMENT_FORGETTING, "backward_transfer", EXTENT_ONE, OUTCOME, "1", "backward transfer",
     "mean over j < k of R[k][j] - R[j][j]. " R_KEY, "Lopez-Paz and Ranzato 2017"},
};

int field_length(enum field_id id, const struct record_extents *extents, int place)
{
    switch (fields_table[id].extent) {
    case EXTENT_ONE: return 1;
    case EXTENT_DOMAIN: return extents->domains;
    case EXTENT_LAYER: return extents->layers;
    case EXTENT_POINT: return extents->points;
    case EXTENT_PLACES: return place + 1;
    }
    return 0;
}

int record_offset(unsigned groups, unsigned instruments, const struct record_extents *extents, int place, int id)
{
    int offset = 0;
    for (int f = 0; f < FIELD_COUNT; f++) {
        bool asked = (fields_table[f].groups & groups) && (instruments & 1u << fields_table[f].instrument);
        if (f == id) return asked ? offset : -1;
        if (asked) offset += field_length((enum field_id)f, extents, place);
    }
    return offset;
}

bool field_variable(int group, enum field_id id, int part, char *name, size_t size)
{
    const struct field *field = &fields_table[id];
    bool by_place = field->extent == EXTENT_PLACES;
    if (!(field->groups & 1u << group) || part > (by_place ? group - GROUP_PLACE : 0)) return false;
    if (group == GROUP_OUTCOME)
        snprintf(name, size, "%s", field->name);
    else if (by_place && group > GROUP_PLACE)
        snprintf(name, size, "%s_%s_%s", group_name(group), field->name, place_name(part));
    else
        snprintf(name, size, "%s_%s", group_name(group), field->name);
    return true;
}
