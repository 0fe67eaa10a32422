/* Cells to leave out: for each rule, the values it lists on the axes it names. */
#include <string.h>

#include "config_private.h"

/* Axis by its own name, or by that of a member; *member NULL: the axis as a whole. */
static struct axis *axis_named(const struct sweep *sweep, const char *name, const struct axis_member **member)
{
    for (int a = 0; a < sweep->axis_count; a++) {
        struct axis *axis = &sweep->axes[a];
        *member = NULL;
        if (axis->member_count > 1 && strcmp(axis->name, name) == 0) return axis;
        for (int m = 0; m < axis->member_count; m++) {
            *member = &axis->members[m];
            if (strcmp(axis->members[m].name, name) == 0) return axis;
        }
        *member = NULL;
        if (strcmp(axis->name, name) == 0) return *member = axis->member_count == 1 ? axis->members : NULL, axis;
    }
    return NULL;
}

static void complain_no_axis(struct reader *reader, const struct entry *entry)
{
    const struct sweep *sweep = reader->sweep;
    const char *known[2 * AXES_MAX];
    char path[KEY_TEXT], help[KEY_TEXT];
    int count = 0;
    for (int a = 0; a < sweep->axis_count; a++) {
        known[count++] = sweep->axes[a].member_count == 1 ? sweep->axes[a].members[0].name : sweep->axes[a].name;
    }
    complain(&reader->complaints, entry->mark, node_path(entry->value, path), "no axis of this sweep%s",
             suggestion(entry->key, known, count, help));
}

/* All values whose member has the value of `node` (in a group several can), as they are compared by content. */
static void mark_equal(struct reader *reader, const struct axis *axis, const struct axis_member *member,
                       const struct node *node, bool *chosen)
{
    int found = member_find(reader, axis, member, node);
    if (found < 0) return;
    for (int i = 0; i < axis->length; i++)
        if (member_equal(reader->sweep, member, found, i)) chosen[i] = true;
}

static void mark_label(struct reader *reader, const struct axis *axis, const struct node *node, bool *chosen)
{
    const char **known = memory_array((size_t)axis->length, sizeof *known);
    char text[QUOTED], help[KEY_TEXT];
    bool found = false;
    for (int i = 0; i < axis->length; i++) {
        known[i] = axis->labels[i];
        if (!node_is(node, axis->labels[i])) continue;
        chosen[i] = found = true;
    }
    if (!found)
        complain_node(reader, node, "%s is not on the axis %s%s",
                      node->kind == NODE_SCALAR ? quoted(node->text, text) : "this", axis->name,
                      suggestion(node->kind == NODE_SCALAR ? node->text : "", known, axis->length, help));
    memory_free(known);
}

/* [a, b] on the axis pair is one sequence, not two values. */
static bool is_one_sequence(const struct axis_member *member, const struct node *node)
{
    if (!member || member->kind != AXIS_PAIR || node->kind != NODE_LIST) return false;
    for (int i = 0; i < node->count; i++) {
        const struct node *item = node->entries[i].value;
        if (item->kind != NODE_SCALAR || strchr(item->text, '>')) return false;
    }
    return true;
}

static void read_condition(struct reader *reader, const struct entry *entry, struct exclusion *rule)
{
    const struct axis_member *member;
    struct axis *axis = axis_named(reader->sweep, entry->key, &member);
    if (!axis) {
        complain_no_axis(reader, entry);
        return;
    }
    if (entry->value->kind == NODE_MAP || node_items(entry->value) == 0) {
        complain_node(reader, entry->value, "must be a value of the axis or a list of them");
        return;
    }
    bool *chosen = memory_array((size_t)axis->length, sizeof *chosen), one = is_one_sequence(member, entry->value);
    for (int i = 0; i < (one ? 1 : node_items(entry->value)); i++) {
        const struct node *node = one ? entry->value : node_item(entry->value, i);
        if (member)
            mark_equal(reader, axis, member, node, chosen);
        else
            mark_label(reader, axis, node, chosen);
    }
    bool **slot = &rule->chosen[axis - reader->sweep->axes];
    for (int i = 0; *slot && i < axis->length; i++) chosen[i] = chosen[i] && (*slot)[i]; /* two members of one group */
    memory_free(*slot);
    *slot = chosen;
}

static void read_rule(struct reader *reader, const struct node *node)
{
    struct sweep *sweep = reader->sweep;
    if (!expect_map(reader, node, "{size: mini, tokens: [0]}")) return;
    if (node->count == 0) {
        complain_node(reader, node, "the rule names no axis, so it would remove every cell");
        return;
    }
    sweep->exclusions = memory_grow(sweep->exclusions, &reader->exclusion_capacity, (size_t)sweep->exclusion_count + 1,
                                    sizeof *sweep->exclusions);
    struct exclusion *rule = &sweep->exclusions[sweep->exclusion_count++];
    rule->chosen = memory_array((size_t)sweep->axis_count, sizeof *rule->chosen);
    for (int i = 0; i < node->count; i++) read_condition(reader, &node->entries[i], rule);
}

void read_exclusions(struct reader *reader)
{
    const struct node *exclude = node_get(reader->root, "exclude");
    if (!exclude || reader->axes_unsure) return;
    if (exclude->kind == NODE_SCALAR) {
        complain_node(reader, exclude, "must be a list of rules, such as [{size: mini, tokens: [0]}]");
        return;
    }
    size_t complaints = reader->complaints.count;
    for (int i = 0; i < node_items(exclude); i++) read_rule(reader, node_item(exclude, i));
    if (reader->complaints.count > complaints) reader->axes_unsure = true; /* which cells are left is open */
    resolve(reader, "exclude", exclude, "rules", "%d", reader->sweep->exclusion_count);
}
