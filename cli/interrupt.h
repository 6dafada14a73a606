/* SPDX-License-Identifier: MIT */
/* Ctrl-C, hang-up and kill: the first asks the run to stop cleanly, the second ends the program. */
#ifndef FM_CLI_INTERRUPT_H
#define FM_CLI_INTERRUPT_H

#include <stdbool.h>

/* Before any other thread is made: threads inherit that signals wait for ours. False: no thread to be had; signals then end the
 * program, as ever. */
bool interrupt_start(void);
/* What the first signal calls, on the thread that waits for signals; NULL: nothing to stop, the first ends the program. */
void interrupt_target(void (*stop)(void *), void *user);
/* Signals end the program again. */
void interrupt_stop(void);

#endif
