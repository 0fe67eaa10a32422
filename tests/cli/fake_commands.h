/* A folder at the head of the PATH with commands that say what a test wants to hear, and an environment outside of any
 * batch job. */
#ifndef FAKE_COMMANDS_H
#define FAKE_COMMANDS_H

int fake_commands_begin(void **context);
int fake_commands_end(void **context);
#define cmocka_unit_test_faked(test) cmocka_unit_test_setup_teardown(test, fake_commands_begin, fake_commands_end)
/* A shell script called `name`, with its body. */
void fake_command(const char *name, const char *body);

#endif
