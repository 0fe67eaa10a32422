/* What no single value shows to be wrong: a width that its heads do not divide, more frozen blocks than there are,
 * rules that leave no cell.  Walks the combinations of those axes that can matter, and no others. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"

enum { MOST_COMBINATIONS = 1 << 22 };

static const char *const paths[] = {"model.layers",    "model.width",     "model.heads",
                                    "model.context",   "finetune.freeze", "finetune.second.freeze",
                                    "finetune.layers", "evaluate.tokens"};

struct walk {
    struct reader *reader;
    int axes[AXES_MAX];         /* that matter */
    int count, index[AXES_MAX]; /* index: of all axes of the sweep; 0 where it does not matter */
    const struct size_entry *size;
    struct settings settings;
    bool *set;
    bool any_left;
    int64_t longest; /* context of what is left, and where that comes from */
    struct mark longest_mark;
    char longest_key[KEY_TEXT];
};

static bool row_matters(int row)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(settings_table[row].path, paths[i]) == 0) return true;
    return false;
}

static bool axis_matters(const struct sweep *sweep, int a)
{
    for (int m = 0; m < sweep->axes[a].member_count; m++) {
        const struct axis_member *member = &sweep->axes[a].members[m];
        if (member->kind == AXIS_SIZE || (member->kind == AXIS_SETTING && row_matters(member->row))) return true;
    }
    for (int e = 0; e < sweep->exclusion_count; e++)
        if (sweep->exclusions[e].chosen[a]) return true;
    return false;
}

static bool is_excluded(const struct sweep *sweep, const int *index)
{
    for (int e = 0; e < sweep->exclusion_count; e++) {
        bool holds = true;
        for (int a = 0; a < sweep->axis_count && holds; a++)
            holds = !sweep->exclusions[e].chosen[a] || sweep->exclusions[e].chosen[a][index[a]];
        if (holds) return true;
    }
    return false;
}

/* As plan's cell_resolve, for the settings alone: all cells, then the size, then axes; the second place inherits. */
static void assemble(struct walk *walk)
{
    const struct sweep *sweep = walk->reader->sweep;
    walk->settings = sweep->base;
    memcpy(walk->set, sweep->set, (size_t)settings_count * sizeof *walk->set);
    for (int a = 0; a < sweep->axis_count; a++)
        for (int m = 0; m < sweep->axes[a].member_count; m++) {
            const struct axis_member *member = &sweep->axes[a].members[m];
            if (member->kind == AXIS_SIZE) walk->size = &sweep->sizes[member->values.integer[walk->index[a]]];
            if (member->kind != AXIS_SETTING) continue;
            setting_assign(member->row, member->values.setting[walk->index[a]], &walk->settings);
            walk->set[member->row] = true;
        }
    for (int i = 0; i < walk->size->count; i++) {
        setting_assign(walk->size->rows[i], walk->size->values[i], &walk->settings);
        walk->set[walk->size->rows[i]] = true;
    }
    settings_inherit_second(&walk->settings, walk->set);
}

/* Where the value of a row comes from in this combination; line 0: a default. */
static struct mark origin(const struct walk *walk, int row, char key[KEY_TEXT])
{
    const struct sweep *sweep = walk->reader->sweep;
    const char *path = settings_table[row].path;
    for (int a = 0; a < sweep->axis_count; a++)
        for (int m = 0; m < sweep->axes[a].member_count; m++)
            if (sweep->axes[a].members[m].kind == AXIS_SETTING && sweep->axes[a].members[m].row == row) {
                snprintf(key, KEY_TEXT, "axes.%s", path);
                return sweep->axes[a].marks[walk->index[a]];
            }
    for (int i = 0; i < walk->size->count; i++)
        if (walk->size->rows[i] == row) {
            bool of_model = strncmp(path, "model.", 6) == 0;
            snprintf(key, KEY_TEXT, "model.sizes.%s.%s", walk->size->name, of_model ? path + 6 : path);
            return walk->size->marks[i];
        }
    snprintf(key, KEY_TEXT, "%s", path);
    return sweep->origin[row];
}

/* The origin of the one row, or of the other when the one is a default; one of them always is in the file. */
static struct mark origin_of_pair(const struct walk *walk, const char *one, const char *other, char key[KEY_TEXT])
{
    struct mark mark = origin(walk, setting_find(one), key);
    return mark.line ? mark : origin(walk, setting_find(other), key);
}

static void check_width(struct walk *walk)
{
    int64_t width = walk->settings.model.width, heads = walk->settings.model.heads;
    char key[KEY_TEXT];
    if (width % heads == 0) return;
    struct mark mark = origin_of_pair(walk, "model.heads", "model.width", key);
    int64_t below = width / heads * heads;
    complain(&walk->reader->complaints, mark, key,
             "width %lld is not divisible by heads %lld; a width of %lld would be", (long long)width, (long long)heads,
             (long long)(below ? below : heads));
}

/* `done`: what so many blocks are. */
static void check_blocks(struct walk *walk, const char *path, int64_t blocks, const char *done)
{
    int64_t layers = walk->settings.model.layers;
    char key[KEY_TEXT];
    if (blocks <= layers || !walk->set[setting_find(path)]) return;
    struct mark mark = origin(walk, setting_find(path), key);
    complain(&walk->reader->complaints, mark, key, "%lld blocks are %s, but size %s has %lld; at most %lld",
             (long long)blocks, done, walk->size->name, (long long)layers, (long long)layers);
}

static void check_tokens(struct walk *walk)
{
    char key[KEY_TEXT];
    if (walk->settings.evaluate.tokens >= walk->settings.model.context) return;
    struct mark mark = origin_of_pair(walk, "evaluate.tokens", "model.context", key);
    complain(&walk->reader->complaints, mark, key,
             "evaluate.tokens %lld is less than one window of model.context %lld; raise it to at least %lld",
             (long long)walk->settings.evaluate.tokens, (long long)walk->settings.model.context,
             (long long)walk->settings.model.context);
}

static void note_context(struct walk *walk)
{
    if (walk->settings.model.context <= walk->longest) return;
    walk->longest = walk->settings.model.context;
    walk->longest_mark = origin(walk, setting_find("model.context"), walk->longest_key);
}

/* The world is one for all cells, so it is the longest context that its items must fit into; of the others plan_create
 * says which of its items do not. */
static void check_sentences(const struct walk *walk)
{
    const struct sweep *sweep = walk->reader->sweep;
    if (sweep->world.kind != WORLD_GRAMMAR || sweep->task_count == 0 || !walk->any_left) return;
    if (walk->longest >= GRAMMAR_SENTENCE_MOST) return;
    complain(&walk->reader->complaints, walk->longest_mark, walk->longest_key,
             "%lld is too short for the grammar's tasks, whose sentences have up to %d words; make it %d",
             (long long)walk->longest, GRAMMAR_SENTENCE_MOST, GRAMMAR_SENTENCE_MOST);
}

static void check_one(struct walk *walk)
{
    if (is_excluded(walk->reader->sweep, walk->index)) return;
    walk->any_left = true;
    assemble(walk);
    check_width(walk);
    check_blocks(walk, "finetune.freeze", walk->settings.first.freeze, "frozen");
    check_blocks(walk, "finetune.second.freeze", walk->settings.second.freeze, "frozen");
    check_blocks(walk, "finetune.layers", walk->settings.read_layers, "read");
    check_tokens(walk);
    note_context(walk);
}

/* The next combination; false after the last. */
static bool step(struct walk *walk)
{
    for (int i = walk->count - 1; i >= 0; i--) {
        int a = walk->axes[i];
        if (++walk->index[a] < walk->reader->sweep->axes[a].length) return true;
        walk->index[a] = 0;
    }
    return false;
}

static double choose_axes(struct walk *walk)
{
    const struct sweep *sweep = walk->reader->sweep;
    double combinations = 1;
    for (int a = 0; a < sweep->axis_count; a++) {
        if (!axis_matters(sweep, a)) continue;
        walk->axes[walk->count++] = a;
        combinations *= sweep->axes[a].length;
    }
    return combinations;
}

void check_combinations(struct reader *reader)
{
    struct walk walk = {.reader = reader};
    if (reader->axes_unsure || reader->sweep->size_count == 0) return;
    const struct node *axes = node_get(reader->root, "axes"), *exclude = node_get(reader->root, "exclude");
    double combinations = choose_axes(&walk);
    if (combinations > MOST_COMBINATIONS) {
        complain_node(reader, axes,
                      "%.0f combinations of axes that change the model or are named in exclude; at most %d",
                      combinations, MOST_COMBINATIONS);
        return;
    }
    walk.set = memory_array((size_t)settings_count, sizeof *walk.set);
    do {
        check_one(&walk);
    } while (step(&walk));
    memory_free(walk.set);
    check_sentences(&walk);
    if (!walk.any_left && exclude) complain_node(reader, exclude, "the rules remove every cell; leave at least one");
}
