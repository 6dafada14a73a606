/* SPDX-License-Identifier: MIT */
/* One thread starts the worker processes and buries them. It sleeps in poll on a pipe of each, whose other end only the process
 * has: a byte says "ready", the end of the pipe that the process is gone, however it went. A process that is longer at a slot than
 * allowed is killed; since nobody announces the beginning of a slot to this thread, it looks at the words now and then while
 * processes live (a watchdog, not the path of any slot).
 *
 * The thread that starts a process is, to the kernel, its parent: it lives as long as the mill, and the processes die with it. */
#define _GNU_SOURCE /* pipe2, posix_spawn_file_actions_addclosefrom_np */
#include "mill/inner.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"

#if defined(WAIT_FUTEX)

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define OVERSEER_MS ((uint64_t) 1000000)
#define OVERSEER_HANG_MS 10000
#define OVERSEER_HANG_LEAST_MS 3000 /* once it is known what slots take */
#define OVERSEER_HANG_TIMES 10      /* as long as the longest */
#define OVERSEER_START_MS 60000
#define OVERSEER_RESTARTS 5
#define OVERSEER_SLOTS_PER_RESTART 1000
#define OVERSEER_FIRST_FREE 10 /* descriptors of ours lie out of the way of those that a process gets */

struct overseer_child {
    int worker;
    pid_t pid; /* 0: none runs */
    int life;  /* the pipe's end; -1: none */
    bool is_ready, is_gone, is_shot;
    uint64_t due_ns;      /* to be started again; 0: not */
    uint64_t done_then;   /* slots done when it was started */
    unsigned disappoints; /* starts in a row that did no slot */
    uint64_t at_id;       /* + 1; the slot it is at, as last seen; 0: none */
    uint64_t at_ns;       /* for how long, seen */
    char reason[MILL_REASON_MAX];
};

struct overseer {
    struct mill *mill;
    pthread_t thread;
    bool has_thread;
    int bell[2];
    struct wait_event started;
    _Atomic int state; /* 0 starting, 1 started, 2 failed */
    atomic_bool quits;
    struct fm_error error; /* failed */
    int children;
    struct overseer_child *child; // [children]
    struct pollfd *poll;          // [children + 1]
    char **argv, descriptor_text[16], worker_text[16];
    uint64_t hang_ns, start_ns; /* allowed; 0: any time */
    uint64_t looked_ns, quit_ns;
};

/* ---- starting ---- */

/* A pipe, both ends out of the way and closed in whatever else the process starts. */
static int overseer_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC | O_NONBLOCK)) return -1;
    for (int i = 0; i < 2; i++) ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, OVERSEER_FIRST_FREE);
    for (int i = 0; i < 2; i++) close(low[i]);
    if (ends[0] >= 0 && ends[1] >= 0) return 0;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    return -1;
}

/* The process gets the memory, its pipe, no input, our standard error as both outputs, and nothing else; signals as at login; and a group
 * of its own, so that Ctrl-C reaches the mill's process alone, which then ends all in good order. */
static int overseer_prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int memory, int life)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int bad = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    bad = bad ? bad : posix_spawnattr_setsigdefault(attributes, &all);
    bad = bad ? bad : posix_spawnattr_setsigmask(attributes, &none);
    bad = bad ? bad : posix_spawnattr_setpgroup(attributes, 0);
    bad = bad ? bad : posix_spawn_file_actions_adddup2(files, memory, SHARED_DESCRIPTOR);
    bad = bad ? bad : posix_spawn_file_actions_adddup2(files, life, SHARED_DESCRIPTOR + 1);
    bad = bad ? bad : posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    if (fcntl(2, F_GETFD) >= 0)
        bad = bad ? bad : posix_spawn_file_actions_adddup2(files, 2, 1);
    else
        bad = bad ? bad : posix_spawn_file_actions_addopen(files, 1, "/dev/null", O_WRONLY, 0);
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
    bad = bad ? bad : posix_spawn_file_actions_addclosefrom_np(files, SHARED_DESCRIPTOR + 2);
#endif
#endif
    return bad;
}

static int overseer_spawn(struct overseer *o, struct overseer_child *c, int life)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int bad = posix_spawn_file_actions_init(&files);
    if (bad) return bad;
    bad = posix_spawnattr_init(&attributes);
    if (!bad) {
        bad = overseer_prepare(&files, &attributes, o->mill->shared.descriptor, life);
        snprintf(o->worker_text, sizeof o->worker_text, "%d", c->worker);
        if (!bad) bad = posix_spawn(&c->pid, o->argv[0], &files, &attributes, o->argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return bad;
}

static bool overseer_start_child(struct overseer *o, struct overseer_child *c)
{
    struct ring_worker *const own = ring_worker(o->mill->ring, c->worker);
    int ends[2];
    c->due_ns = 0;
    c->is_ready = c->is_shot = false;
    c->at_id = c->at_ns = 0;
    c->reason[0] = 0;
    c->done_then = atomic_load(&own->done);
    atomic_store(&own->broken, 0);
    o->mill->shared.note[c->worker].text[0] = 0;
    int bad = overseer_pipe(ends) ? errno : 0;
    if (!bad) {
        bad = overseer_spawn(o, c, ends[1]);
        close(ends[1]);
        if (bad) close(ends[0]);
    }
    if (bad) {
        c->pid = 0;
        snprintf(c->reason, sizeof c->reason, "cannot start %.80s: %s", o->argv[0], strerror(bad));
        return false;
    }
    c->life = ends[0];
    return true;
}

/* ---- burying ---- */

static bool overseer_is_over(const struct overseer *o)
{
    struct ring *const ring = o->mill->ring;
    uint64_t word;
    if (atomic_load(&ring->stopping)) return true;
    return atomic_load(&ring->finished) && ring_oldest(ring, 0, RING_WRITING | RING_READY | RING_READING, &word) < 0;
}

/* Why it ended, unless it was killed for a reason that is known. False: in good order. */
static bool overseer_explain(const struct overseer *o, struct overseer_child *c, bool has_status, int status)
{
    const int broken = atomic_load(&ring_worker(o->mill->ring, c->worker)->broken);
    struct shared_note *const note = &o->mill->shared.note[c->worker];
    if (has_status && WIFEXITED(status) && WEXITSTATUS(status) == 0 && overseer_is_over(o)) return false;
    if (c->reason[0]) return true;
    note->text[sizeof note->text - 1] = 0;
    if (broken < 0)
        snprintf(c->reason, sizeof c->reason, "it cannot start: %.120s", note->text[0] ? note->text : fm_err_name(broken));
    else if (has_status && WIFSIGNALED(status))
        snprintf(c->reason, sizeof c->reason, "its process was killed by signal %d", WTERMSIG(status));
    else if (has_status && WIFEXITED(status))
        snprintf(c->reason, sizeof c->reason, "its process ended with code %d", WEXITSTATUS(status));
    else
        snprintf(c->reason, sizeof c->reason, "its process is gone");
    return true;
}

static bool overseer_may_restart(const struct overseer *o, const struct overseer_child *c)
{
    const struct mill_params *const p = &o->mill->params;
    struct ring_worker *const own = ring_worker(o->mill->ring, c->worker);
    if (atomic_load(&own->broken) < 0) return false;
    const uint64_t earned = atomic_load(&own->done) / OVERSEER_SLOTS_PER_RESTART;
    const uint64_t granted = p->restarts < 0 ? 0 : p->restarts ? (uint64_t) p->restarts : OVERSEER_RESTARTS;
    return o->mill->note[c->worker].restarts < granted + (p->restarts < 0 ? 0 : earned);
}

/* It is no more: its slots go to others, and it is started again, at once if it had done something, else after a while. */
static void overseer_mourn(struct overseer *o, struct overseer_child *c)
{
    const uint64_t done = atomic_load(&ring_worker(o->mill->ring, c->worker)->done);
    const bool over = overseer_is_over(o); /* then nobody needs it, and it is no loss */
    const bool again = over || overseer_may_restart(o, c);
    mill_lose(o->mill, c->worker, !again, c->reason);
    mill_bury(o->mill, c->worker);
    c->is_gone = !again;
    if (!again || over) return;
    c->disappoints = done > c->done_then ? 0 : c->disappoints + 1;
    const unsigned doublings = c->disappoints < 6 ? c->disappoints : 6;
    c->due_ns = core_now_ns() + (c->disappoints ? (25 * OVERSEER_MS) << doublings : 1);
}

/* Dead for sure, before another gets what it held. */
static void overseer_reap(struct overseer *o, struct overseer_child *c)
{
    int status = 0;
    pid_t reaped;
    (void) kill(c->pid, SIGKILL); /* it may only have closed its pipe; a zombie does not mind */
    while ((reaped = waitpid(c->pid, &status, 0)) < 0 && errno == EINTR) {
    }
    close(c->life);
    c->life = -1;
    const bool mourned = overseer_explain(o, c, reaped == c->pid, status);
    c->pid = 0;
    if (mourned) overseer_mourn(o, c);
}

/* ---- watching ---- */

static void overseer_shoot(struct overseer_child *c)
{
    c->is_shot = true;
    (void) kill(c->pid, SIGKILL);
}

/* The slot the worker is at; if it is at none, the first that it should have taken: id + 1, or 0. */
static uint64_t overseer_slot_of(struct ring *ring, int worker)
{
    const bool rests = atomic_load(&ring_worker(ring, worker)->rests);
    uint64_t waiting = 0;
    for (uint32_t i = 0; i < ring->slots; i++) {
        const uint64_t word = atomic_load(&ring->slot[i].word), id = ring_word_id(word) + 1;
        const int whose = ring_word_worker(word);
        if (ring_word_state(word) == RING_READING && whose == worker) return id;
        if (ring_word_state(word) != RING_READY || (whose != worker && (rests || whose != RING_NOBODY))) continue;
        if (!waiting || id < waiting) waiting = id;
    }
    return waiting;
}

/* What slots take is known when every slot of the ring was done twice: the first ones may have been light, while the heaviest of them
 * holds all others up. */
static uint64_t overseer_hang_ns(const struct overseer *o)
{
    struct ring *const ring = o->mill->ring;
    uint64_t done = 0, longest = OVERSEER_HANG_LEAST_MS * OVERSEER_MS / OVERSEER_HANG_TIMES;
    for (int i = 0; i < (int) ring->workers; i++) {
        const struct ring_worker *const own = ring_worker(ring, i);
        const uint64_t its = atomic_load(&own->longest_ns);
        done += atomic_load(&own->done);
        if (its > longest) longest = its;
    }
    const uint64_t enough = OVERSEER_HANG_TIMES * longest;
    return o->hang_ns > enough && done >= 2 * (uint64_t) ring->slots ? enough : o->hang_ns;
}

/* `passed`: since the last look, cut so that time in which we did not run ourselves (a stopped job, a laptop asleep) is not charged. */
static void overseer_watch(struct overseer *o, struct overseer_child *c, uint64_t passed)
{
    const uint64_t at = c->is_ready ? overseer_slot_of(o->mill->ring, c->worker) : 0;
    const uint64_t allowed = c->is_ready ? overseer_hang_ns(o) : o->start_ns;
    c->at_ns = c->at_id == at ? c->at_ns + passed : 0;
    c->at_id = at;
    if (!allowed || c->at_ns <= allowed || (c->is_ready && !at)) return;
    if (c->is_ready)
        snprintf(c->reason, sizeof c->reason, "its process hung at slot %llu for %.1f s", (unsigned long long) (at - 1),
            (double) c->at_ns * 1e-9);
    else
        snprintf(c->reason, sizeof c->reason, "its process was not ready after %.1f s", (double) c->at_ns * 1e-9);
    overseer_shoot(c);
}

/* Looks so often that a hang is seen at most a quarter late. */
static uint64_t overseer_tick(const struct overseer *o)
{
    const uint64_t least = o->hang_ns && (!o->start_ns || o->hang_ns < o->start_ns) ? o->hang_ns : o->start_ns;
    const uint64_t tick = least / 4;
    return tick < OVERSEER_MS ? OVERSEER_MS : tick > 1000 * OVERSEER_MS ? 1000 * OVERSEER_MS : tick;
}

/* ---- the thread ---- */

static void overseer_ring(struct overseer *o)
{
    const char byte = 1;
    (void) !write(o->bell[1], &byte, 1);
}

static int overseer_timeout_ms(const struct overseer *o, uint64_t now)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < o->children; i++) {
        const struct overseer_child *const c = &o->child[i];
        const uint64_t tick = overseer_tick(o);
        if (c->pid && !c->is_shot && (o->hang_ns || o->start_ns) && tick < least) least = tick;
        if (c->due_ns) least = c->due_ns <= now ? 0 : c->due_ns - now < least ? c->due_ns - now : least;
    }
    if (atomic_load(&o->quits) && least > 100 * OVERSEER_MS) least = 100 * OVERSEER_MS;
    return least == UINT64_MAX ? -1 : (int) (least / OVERSEER_MS) + (least % OVERSEER_MS ? 1 : 0);
}

static void overseer_sleep(struct overseer *o)
{
    o->poll[0] = (struct pollfd){.fd = o->bell[0], .events = POLLIN};
    for (int i = 0; i < o->children; i++) o->poll[i + 1] = (struct pollfd){.fd = o->child[i].life, .events = POLLIN};
    if (poll(o->poll, (nfds_t) o->children + 1, overseer_timeout_ms(o, core_now_ns())) <= 0)
        for (int i = 0; i <= o->children; i++) o->poll[i].revents = 0;
    char bytes[64];
    while (o->poll[0].revents && read(o->bell[0], bytes, sizeof bytes) > 0) {
    }
}

/* What its pipe says. */
static void overseer_listen(struct overseer *o, struct overseer_child *c, int events)
{
    char byte;
    if (!events || c->life < 0) return;
    const ssize_t got = read(c->life, &byte, 1);
    if (got == 1 && !c->is_ready) {
        c->is_ready = true;
        c->at_ns = 0;
        mill_regain(o->mill, c->worker);
    } else if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        overseer_reap(o, c);
    }
}

static void overseer_start_again(struct overseer *o, struct overseer_child *c)
{
    struct mill *const mill = o->mill;
    if (overseer_is_over(o)) {
        c->due_ns = 0;
        return;
    }
    pthread_mutex_lock(&mill->lock);
    mill->note[c->worker].restarts++;
    pthread_mutex_unlock(&mill->lock);
    if (!overseer_start_child(o, c)) overseer_mourn(o, c);
}

/* At the end: whoever has nothing to do should be gone soon, whoever is at a slot has as long as ever. */
static void overseer_hurry(struct overseer *o)
{
    const uint64_t allowed = overseer_hang_ns(o), least = OVERSEER_HANG_LEAST_MS * OVERSEER_MS;
    const uint64_t busy = allowed ? allowed : OVERSEER_HANG_MS * OVERSEER_MS, idle = busy < least ? busy : least;
    for (int i = 0; i < o->children; i++) {
        struct overseer_child *const c = &o->child[i];
        const bool works = !c->is_ready || overseer_slot_of(o->mill->ring, c->worker);
        if (c->pid && !c->is_shot && o->quit_ns > (works ? busy : idle)) overseer_shoot(c);
    }
}

/* False: all is over and everyone is buried. */
static bool overseer_round(struct overseer *o)
{
    const uint64_t now = core_now_ns();
    const uint64_t tick = overseer_tick(o);
    const uint64_t since = now > o->looked_ns ? now - o->looked_ns : 0, passed = since < 2 * tick ? since : 2 * tick;
    const bool quits = atomic_load(&o->quits);
    bool any = false;
    o->looked_ns = now;
    o->quit_ns += quits ? passed : 0;
    for (int i = 0; i < o->children; i++) {
        struct overseer_child *const c = &o->child[i];
        overseer_listen(o, c, o->poll[i + 1].revents);
        if (c->pid && !c->is_shot) overseer_watch(o, c, passed);
        if (c->due_ns && c->due_ns <= now) overseer_start_again(o, c);
        any = any || c->pid;
    }
    if (quits) overseer_hurry(o);
    return any || !quits;
}

static void overseer_tell(struct overseer *o, int state)
{
    atomic_store(&o->state, state);
    wait_wake(&o->started, true);
}

static void *overseer_main(void *overseer_)
{
    struct overseer *const o = overseer_;
    bool well = true;
    for (int i = 0; i < o->children && well; i++) {
        well = overseer_start_child(o, &o->child[i]);
        if (!well)
            (void) core_fail(&o->error, FM_ERR_IO, "worker %s: %s", o->mill->note[o->child[i].worker].name, o->child[i].reason);
    }
    o->looked_ns = core_now_ns();
    overseer_tell(o, well ? 1 : 2);
    do {
        overseer_sleep(o);
    } while (overseer_round(o));
    return NULL;
}

/* ---- life ---- */

static uint64_t overseer_allowed(int ms, int usual_ms)
{
    return ms < 0 ? 0 : (uint64_t) (ms ? ms : usual_ms) * OVERSEER_MS;
}

static int overseer_make(struct overseer *o, struct fm_error *error)
{
    const struct mill_params *const p = &o->mill->params;
    size_t arguments = 0;
    while (p->program[arguments]) arguments++;
    o->hang_ns = overseer_allowed(p->hang_ms, OVERSEER_HANG_MS);
    o->start_ns = overseer_allowed(p->start_ms, OVERSEER_START_MS);
    o->child = core_calloc((size_t) p->processes, sizeof *o->child);
    o->poll = core_calloc((size_t) p->processes + 1, sizeof *o->poll);
    o->argv = core_calloc(arguments + 3, sizeof *o->argv);
    if (!o->child || !o->poll || !o->argv) return core_fail_nomem(error, (size_t) p->processes * sizeof *o->child);
    o->children = p->processes;
    for (int i = 0; i < o->children; i++)
        o->child[i] = (struct overseer_child){.worker = p->workers - p->processes + i, .life = -1};
    for (size_t i = 0; i < arguments; i++) o->argv[i] = (char *) (uintptr_t) p->program[i]; /* which spawning does not write */
    o->argv[arguments] = o->descriptor_text;
    o->argv[arguments + 1] = o->worker_text;
    snprintf(o->descriptor_text, sizeof o->descriptor_text, "%d", SHARED_DESCRIPTOR);
    if (overseer_pipe(o->bell)) {
        o->bell[0] = o->bell[1] = -1;
        return core_fail(error, FM_ERR_IO, "the system gives no pipe: %s", strerror(errno));
    }
    if (wait_open(&o->started, false) != FM_OK) return core_fail(error, FM_ERR_NOMEM, "the system gives nothing to wait on");
    const int moved = fcntl(o->mill->shared.descriptor, F_DUPFD_CLOEXEC, OVERSEER_FIRST_FREE);
    if (moved < 0) return core_fail(error, FM_ERR_IO, "the system gives no descriptor: %s", strerror(errno));
    close(o->mill->shared.descriptor);
    o->mill->shared.descriptor = moved;
    const int system = pthread_create(&o->thread, NULL, overseer_main, o);
    if (system) return core_fail(error, FM_ERR_IO, "the system gives no thread to watch worker processes (error %d)", system);
    o->has_thread = true;
    return FM_OK;
}

int overseer_create(struct mill *mill, struct fm_error *error)
{
    struct overseer *o = core_calloc(1, sizeof *o);
    if (!o) return core_fail_nomem(error, sizeof *o);
    o->mill = mill;
    o->bell[0] = o->bell[1] = -1;
    int code = overseer_make(o, error);
    if (code != FM_OK) {
        overseer_destroy(&o);
        return code;
    }
    mill->overseer = o; /* mill_destroy takes it back, after the stop */
    for (;;) {
        const uint32_t ticket = wait_ticket(&o->started);
        const int state = atomic_load(&o->state);
        if (state == 1) return FM_OK;
        if (state == 2) return core_fail(error, o->error.code, "%s", o->error.message);
        wait_sleep(&o->started, ticket);
    }
}

void overseer_destroy(struct overseer **overseer)
{
    struct overseer *const o = *overseer;
    *overseer = NULL;
    if (!o) return;
    atomic_store(&o->quits, true);
    if (o->has_thread) {
        overseer_ring(o);
        pthread_join(o->thread, NULL);
        wait_close(&o->started);
    }
    for (int i = 0; i < 2; i++)
        if (o->bell[i] >= 0) close(o->bell[i]);
    core_free(o->argv);
    core_free(o->poll);
    core_free(o->child);
    core_free(o);
}

#else

int overseer_create(struct mill *mill, struct fm_error *error)
{
    (void) mill;
    return core_fail(error, FM_ERR_UNSUPPORTED, "this system has no worker processes");
}

void overseer_destroy(struct overseer **overseer)
{
    *overseer = NULL;
}

#endif
