/* Label words after a prompt. */
#include "palimpsest/measure.h"

struct readout prompt_readout(const struct world *world, int task, uint16_t *label_token)
{
    int classes = world_facts(world)->task[task].classes;
    for (int c = 0; c < classes; c++) label_token[c] = (uint16_t)world_label_token(world, task, c);
    /* The label word is what comes after the prompt, whatever other heads pool. */
    return (struct readout){
        .kind = HEAD_LM, .pool = POOL_LAST, .head = -1, .classes = classes, .label_token = label_token};
}
