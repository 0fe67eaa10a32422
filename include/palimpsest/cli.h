/* cli: options, commands, the progress display.  The only room that prints to stdout, and that starts and stops MPI. */
#ifndef PALIMPSEST_CLI_H
#define PALIMPSEST_CLI_H

/* Carries out the command line; returns the exit status (README.md lists them). */
int cli_main(int count, char **arguments);

#endif
