/* SPDX-License-Identifier: MIT */
/* A thread that waits for signals may take locks, which a handler may not. */
#define _GNU_SOURCE
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    pthread_t thread;
    sigset_t signals, before;
    void (*stop)(void *);
    void *user;
    int count;
    bool running;
} interrupt = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define LEAVE SIGUSR1 /* tells the waiting thread to end */

static void *wait_for_signals(void *user)
{
    (void) user;
    for (;;) {
        int signal_number;
        if (sigwait(&interrupt.signals, &signal_number) != 0) continue;
        if (signal_number == LEAVE) return NULL;
        pthread_mutex_lock(&interrupt.lock);
        if (interrupt.count++ || !interrupt.stop) _exit(128 + signal_number);
        interrupt.stop(interrupt.user);
        pthread_mutex_unlock(&interrupt.lock);
    }
}

bool interrupt_start(void)
{
    static const int watched[] = {SIGINT, SIGTERM, SIGHUP};
    sigemptyset(&interrupt.signals);
    sigaddset(&interrupt.signals, LEAVE);
    for (int i = 0; i < 3; i++) {
        struct sigaction now;
        if (sigaction(watched[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&interrupt.signals, watched[i]); /* nohup stays */
    }
    if (pthread_sigmask(SIG_BLOCK, &interrupt.signals, &interrupt.before) != 0) return false;
    interrupt.count = 0;
    interrupt.running = pthread_create(&interrupt.thread, NULL, wait_for_signals, NULL) == 0;
    if (!interrupt.running) pthread_sigmask(SIG_SETMASK, &interrupt.before, NULL);
    return interrupt.running;
}

void interrupt_target(void (*stop)(void *), void *user)
{
    pthread_mutex_lock(&interrupt.lock);
    interrupt.stop = stop;
    interrupt.user = user;
    pthread_mutex_unlock(&interrupt.lock);
}

void interrupt_stop(void)
{
    if (!interrupt.running) return;
    interrupt_target(NULL, NULL);
    pthread_kill(interrupt.thread, LEAVE);
    pthread_join(interrupt.thread, NULL);
    interrupt.running = false;
    pthread_sigmask(SIG_SETMASK, &interrupt.before, NULL);
}
