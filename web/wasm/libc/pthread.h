/* SPDX-License-Identifier: MIT */
/* POSIX threads for a module with one thread, whose C library has none: locks are never held by another, and no thread can be made
 * (a page starts the module once in each worker instead). Only what the engine uses. */
#ifndef FM_WASM_PTHREAD_H
#define FM_WASM_PTHREAD_H

#include <errno.h>

typedef int fm_lock;
typedef int fm_condition;
typedef int fm_thread;
#define pthread_mutex_t fm_lock
#define pthread_cond_t fm_condition
#define pthread_t fm_thread
#define PTHREAD_MUTEX_INITIALIZER 0

static inline int pthread_mutex_init(pthread_mutex_t *lock, const void *attributes)
{
    (void) attributes;
    *lock = 0;
    return 0;
}
static inline int pthread_mutex_destroy(pthread_mutex_t *lock)
{
    (void) lock;
    return 0;
}
static inline int pthread_mutex_lock(pthread_mutex_t *lock)
{
    (void) lock;
    return 0;
}
static inline int pthread_mutex_unlock(pthread_mutex_t *lock)
{
    (void) lock;
    return 0;
}
static inline int pthread_cond_init(pthread_cond_t *condition, const void *attributes)
{
    (void) attributes;
    *condition = 0;
    return 0;
}
static inline int pthread_cond_destroy(pthread_cond_t *condition)
{
    (void) condition;
    return 0;
}
static inline int pthread_cond_broadcast(pthread_cond_t *condition)
{
    (void) condition;
    return 0;
}
/* Nobody is there to wake the caller: only threads that were made wait, and none is. */
static inline int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
    (void) condition, (void) lock;
    return EINVAL;
}
static inline int pthread_create(pthread_t *thread, const void *attributes, void *(*run)(void *), void *arg)
{
    (void) thread, (void) attributes, (void) run, (void) arg;
    return EAGAIN;
}
static inline int pthread_join(pthread_t thread, void **result)
{
    (void) thread, (void) result;
    return EINVAL;
}

#endif
