/* The table of instruments: what each measures, in which groups of variables, and by which formula.  Everything that
 * knows a field (its length, its place in a record, its variable's name and attributes) knows it from here. */
#include <stdio.h>

#include "palimpsest/spec.h"

#define STATUS_WORD(name, word) [name] = word,
static const char *const status_words[] = {STAGE_STATUSES(STATUS_WORD)};
static const char *const kind_words[] = {[STAGE_INITIAL] = "initial",
                                         [STAGE_TRUNK] = "trunk",
                                         [STAGE_COOLDOWN] = "cooldown",
                                         [STAGE_FINETUNE] = "fine-tuning",
                                         [STAGE_BRANCH] = "branch"};
static const char *const place_words[PLACES_MAX] = {"first", "second", "third",   "fourth",
                                                    "fifth", "sixth",  "seventh", "eighth"};
const char *stage_kind_name(enum stage_kind kind) { return kind_words[kind]; }
const char *stage_status_name(enum stage_status status) { return status_words[status]; }
const char *place_name(int place) { return place_words[place]; }

const char *group_name(int group)
{
    if (group == GROUP_INITIAL) return "initial";
    if (group == GROUP_PRETRAINED) return "pretrained";
    if (group >= GROUP_BRANCH) return branches_table[group - GROUP_BRANCH].name;
    return group == GROUP_OUTCOME ? "outcome" : place_words[group - GROUP_PLACE];
}

#define BIT(group) (1u << (group))
#define INITIAL BIT(GROUP_INITIAL)
#define PRETRAINED BIT(GROUP_PRETRAINED)
#define PLACES (((1u << PLACES_MAX) - 1) << GROUP_PLACE)
#define OUTCOME BIT(GROUP_OUTCOME)
#define BRANCH(name) BIT(GROUP_BRANCH + BRANCH_##name)

/* dimensions, dimension[], by_place */
#define ONE 0, {0}, false
#define EACH_PLACE 0, {0}, true
#define ALONG(name) 1, {DIMENSION_##name}, false

#define NATS "nats per token"
#define R_KEY "R[s][j]: accuracy on the task of place j after stage s; k: the last place"

const struct field fields_table[FIELD_COUNT] = {
    {FIELD_LM_LOSS, INSTRUMENT_SCORES, "lm_loss", ALONG(DOMAIN), INITIAL | PRETRAINED | PLACES, NATS,
     "language-modelling loss on the fixed reference windows of each domain",
     "mean over tokens of -log p(token | tokens before it in the window)", "Kaplan et al. 2020"},
    {FIELD_ACCURACY, INSTRUMENT_SCORES, "accuracy", EACH_PLACE, PLACES, "1", "accuracy on the test items of a task",
     "correct / items", "R in Lopez-Paz and Ranzato 2017"},
    {FIELD_LOSS, INSTRUMENT_SCORES, "loss", EACH_PLACE, PLACES, "nats", "cross-entropy on the test items of a task",
     "mean over items of -log p(true label)", "-"},
    {FIELD_LOG_ODDS, INSTRUMENT_SCORES, "log_odds", EACH_PLACE, PLACES, "nats",
     "log-odds of the true label on the test items of a task", "mean over items of log(p / (1 - p)), p = p(true label)",
     "-"},
    {FIELD_FAILED_RUN, INSTRUMENT_STABILITY, "failed_run", ONE, PLACES, "1",
     "1 where the task just trained was not learnt better than its majority class, else 0",
     "1 when P(X >= correct) > 0.05 for X ~ Binomial(items, majority share)", "Mosbach et al. 2021"},
    {FIELD_LM_RISE, INSTRUMENT_RETENTION, "lm_rise", ONE, PLACES, NATS,
     "rise of the language-modelling loss since pretraining",
     "mean over reference domains of lm_loss - pretrained_lm_loss", "Bethune et al. 2025"},
    {FIELD_LM_PROGRESS_LOST, INSTRUMENT_RETENTION, "lm_progress_lost", ONE, PLACES, "1",
     "fraction of pretraining's progress on language modelling that is lost",
     "(L - L_pretrained) / (L_initial - L_pretrained), L: mean lm_loss over reference domains; missing at amount 0",
     "after Bethune et al. 2025"},
    {FIELD_DISPLACEMENT, INSTRUMENT_STABILITY, "displacement", ALONG(LAYER), PLACES, "1",
     "distance of each layer's weights from the pretrained ones, relative", "||W - W_pretrained|| / ||W_pretrained||",
     "Merchant et al. 2020"},
    {FIELD_GRADIENT_NORM, INSTRUMENT_STABILITY, "gradient_norm", ALONG(LAYER), PRETRAINED | PLACES, "1",
     "norm of each layer's gradient before clipping, mean over the training steps", "mean over steps of ||dL/dW||",
     "Mosbach et al. 2021"},
    {FIELD_CURVE_LOSS, INSTRUMENT_CURVES, "curve_loss", ALONG(POINT), PRETRAINED | PLACES, "nats",
     "learning curve: training loss, mean over the steps up to each point since the point before",
     "mean over steps point[i-1] + 1 .. point[i] of the batch loss", "-"},
    {FIELD_FORGETTING, INSTRUMENT_FORGETTING, "forgetting", ONE, OUTCOME, "1",
     "share of what was learnt above chance that is gone after the last task",
     "mean over j < k, j learnt (R[j][j] - chance > 3 standard errors), of (R[j][j] - R[k][j]) / (R[j][j] - chance); "
     "missing where nothing was learnt. " R_KEY,
     "palimpsest; normalisation after Ramasesh et al. 2022"},
    {FIELD_FORGETTING_DROP, INSTRUMENT_FORGETTING, "forgetting_drop", ONE, OUTCOME, "1", "raw drop of accuracy",
     "mean over j < k of R[j][j] - R[k][j]. " R_KEY, "Kemker et al. 2018"},
    {FIELD_FORGETTING_LOSS_RISE, INSTRUMENT_FORGETTING, "forgetting_loss_rise", ONE, OUTCOME, "nats",
     "rise of the loss on earlier tasks", "mean over j < k of loss[k][j] - loss[j][j]", "-"},
    {FIELD_FORGETTING_MAXIMUM, INSTRUMENT_FORGETTING, "forgetting_maximum", ONE, OUTCOME, "1",
     "best accuracy before the last task minus accuracy after it",
     "mean over j < k of max over j <= l < k of R[l][j], minus R[k][j]. " R_KEY, "Chaudhry et al. 2018"},
    {FIELD_FORGETTING_RELATIVE, INSTRUMENT_FORGETTING, "forgetting_relative", ONE, OUTCOME, "1",
     "drop of accuracy as a share of the accuracy first reached",
     "mean over j < k of (R[j][j] - R[k][j]) / R[j][j]. " R_KEY, "Mehta et al. 2023"},
    {FIELD_BACKWARD_TRANSFER, INSTRUMENT_FORGETTING, "backward_transfer", ONE, OUTCOME, "1", "backward transfer",
     "mean over j < k of R[k][j] - R[j][j]. " R_KEY, "Lopez-Paz and Ranzato 2017"},
    {FIELD_ALONE_ACCURACY, INSTRUMENT_TRANSFER, "alone_accuracy", ONE, BRANCH(ALONE), "1",
     "accuracy on the test items of a task learnt from the pretrained state, with the recipe and the order of items "
     "of "
     "a second task",
     "correct / items", "b-bar in Lopez-Paz and Ranzato 2017"},
    {FIELD_ALONE_LOSS, INSTRUMENT_TRANSFER, "alone_loss", ONE, BRANCH(ALONE), "nats",
     "cross-entropy on the test items of a task learnt from the pretrained state",
     "mean over items of -log p(true label)", "-"},
    {FIELD_TRANSFER, INSTRUMENT_TRANSFER, "transfer", ONE, BRANCH(TRANSFER), "1",
     "what the tasks before it changed in the accuracy that the last task reaches",
     "R[k][k] - accuracy of the same task learnt from the pretrained state (alone_accuracy). " R_KEY,
     "Pruksachatkun et al. 2020"},
};

int field_width(enum field_id id, const struct record_extents *extents)
{
    int width = 1;
    for (int d = 0; d < fields_table[id].dimensions; d++) width *= extents->length[fields_table[id].dimension[d]];
    return width;
}

int field_length(enum field_id id, const struct record_extents *extents, int place)
{
    return field_width(id, extents) * (fields_table[id].by_place ? place + 1 : 1);
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

/* Variables that need no word for their group. */
static bool is_bare(int group)
{
    return group == GROUP_OUTCOME || (group >= GROUP_BRANCH && branches_table[group - GROUP_BRANCH].bare);
}

bool field_variable(int group, enum field_id id, int part, char *name, size_t size)
{
    const struct field *field = &fields_table[id];
    if (!(field->groups & 1u << group) || part > (field->by_place ? group - GROUP_PLACE : 0)) return false;
    if (is_bare(group))
        snprintf(name, size, "%s", field->name);
    else if (field->by_place && group > GROUP_PLACE)
        snprintf(name, size, "%s_%s_%s", group_name(group), field->name, place_name(part));
    else
        snprintf(name, size, "%s_%s", group_name(group), field->name);
    return true;
}
