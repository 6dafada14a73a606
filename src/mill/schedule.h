/* SPDX-License-Identifier: MIT */
/* Who does which slot, when workers are of unlike speed. Pure logic: told what was done, asked who is next.
 *
 *     trials   all at once -> the best alone -> (where they hinder one another) fewer and fewer
 *     run      the best set by weight; weights fitted again from what is measured
 *     trials   once more, more and more rarely, while somebody is left out: the machine may have been busy the last time
 *
 * Calibration is the first slots of the real work. In a trial the free members take slots; a sample is a slot that began when only
 * members worked, and the first of each worker is left aside (caches, first touches). A set's rate is the sum of its members' rates
 * as measured *together*, so what they take from each other counts; since results leave in order, it is also bounded by the ring: while
 * the slowest is at its slot, no more than the ring's other slots can be done. A larger set must beat a smaller by a margin.
 *
 * Then each slot is meant for one worker, by smooth weighted round robin: each round every member gains its weight, the richest
 * is chosen and pays the sum. Deterministic for given weights, and every stretch of slots has the right shares.
 *
 * One thread at a time. */
#ifndef FM_MILL_SCHEDULE_H
#define FM_MILL_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_ANYONE (-1)
#define SCHEDULE_REASON_MAX 120
#define SCHEDULE_SAMPLES 8

enum schedule_state {
    SCHEDULE_LOST, /* not ready yet, or died and may come back; no trial is judged while there is one */
    SCHEDULE_MEMBER,
    SCHEDULE_LEFT_OUT, /* by the trials, or not in this one */
    SCHEDULE_GONE,     /* for good */
};

struct schedule_worker {
    enum schedule_state state;
    bool is_wanted;  /* chosen by the trials: a member whenever it is there */
    bool is_warm;    /* its first slot is behind it */
    double seconds;  /* of a slot, as the weights say; 0: not known */
    double together; /* the same in the trial of all */
    double sample[SCHEDULE_SAMPLES];
    int samples; /* since the trial, or the last fit, began */
    double sum;  /* of seconds since the last fit */
    uint32_t weight;
    int64_t credit;
    char reason[SCHEDULE_REASON_MAX]; /* why it is left out */
};

enum schedule_phase {
    SCHEDULE_TRY_ALL,
    SCHEDULE_TRY_BEST,
    SCHEDULE_TRY_FEWER,
    SCHEDULE_RUN,
};

struct schedule {
    int workers, slots;
    enum schedule_phase phase;
    int size;                    /* members of this trial */
    int seen;                    /* slots done in this trial */
    uint64_t since_ns, quiet_ns; /* samples begin after both: the trial's begin, the end of what others were at */
    double rate_all;             /* slots a second in the trial of all */
    double rate_alone;           /* ... of the best one alone */
    double rate_best;            /* ... and of the best set so far, of ... */
    int size_best;
    int ranked;                                      /* workers in `rank` */
    double verdict_alone, verdict_all, verdict_best; /* the rates as the last trials left them; 0: there were none */
    int until_fit;                                   /* slots */
    int until_again, again;                          /* slots to the next trials, 0: there will be none; between the last ones */
    int limit;                                       /* slots of the ring that are enough */
    int *rank;                                       // [workers] fastest first, as the trial of all found them
    double *seconds_best;                            // [workers] as in the best trial so far
    struct schedule_worker *worker;                  // [workers]
};

/* All workers are lost at first: schedule_regain says who is ready. 0 or FM_ERR_NOMEM. `slots`: of the ring. */
int schedule_open(struct schedule *schedule, int workers, int slots);
void schedule_close(struct schedule *schedule); /* also a cleared one */

/* The worker that the next slot is meant for, or SCHEDULE_ANYONE: whichever member is free (always so in trials). */
int schedule_assign(struct schedule *schedule);
/* A slot was done, told in the order of ids. True: members or the limit changed. */
bool schedule_note(struct schedule *schedule, int worker, uint64_t begun_ns, uint64_t done_ns, uint64_t now_ns);
/* A worker died (`forever`: and does not come back), or is ready. True as above. */
bool schedule_lose(struct schedule *schedule, int worker, bool forever, uint64_t now_ns);
bool schedule_regain(struct schedule *schedule, int worker, uint64_t now_ns);

static inline bool schedule_is_member(const struct schedule *schedule, int worker)
{
    return schedule->worker[worker].state == SCHEDULE_MEMBER;
}

/* Slots that keep workers of these speeds busy while results leave in order: what all do while the slowest does one, one in hand
 * for each, and two on the way in and out. */
int schedule_slots_for(const double *seconds, int workers);

#endif
