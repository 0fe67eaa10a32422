/* The wish to drain: the one thing a signal handler may touch, hence not part of any context. */
#include <signal.h>

#include "schedule_private.h"

static volatile sig_atomic_t drain_flag;

void schedule_request_drain(void) { drain_flag = 1; }

bool drain_requested(void) { return drain_flag; }
