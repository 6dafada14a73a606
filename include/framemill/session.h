/* SPDX-License-Identifier: MIT */
/* Session: the working memory to run a plan. */
#ifndef FRAMEMILL_SESSION_H
#define FRAMEMILL_SESSION_H

#include "plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One thread at a time owns it; only fm_session_cancel may come from any thread. Holds its plan. */
typedef struct fm_session fm_session;

/* Called on the thread that called fm_session_run, now and then: share in [0, 1]. */
typedef void (*fm_progress_fn)(void *user, double share);

/* Allocates everything a run needs. */
FM_API int fm_session_create(fm_plan *plan, fm_session **out, struct fm_error *error);
FM_API void fm_session_destroy(fm_session **session); /* accepts NULL contents, sets NULL */

/* Runs the network once. inputs: data set, sizes as planned; read only, may be unaligned to nothing less than their element.
 * outputs[k].data: the caller's array of the planned size (dtype and dims are checked), or NULL: then it is set to memory of the
 * session, valid until its next run. Blocks until done; no heap allocation (but for outputs whose size depends on data).
 * FM_ERR_CANCELLED: outputs hold nothing of use, the session may run again. */
FM_API int fm_session_run(fm_session *session, const struct fm_tensor *inputs, struct fm_tensor *outputs, struct fm_error *error);

/* Computes a rectangle of the output from a window of the input: the same bits as fm_session_run gives there. input: float32
 * [1, channels, in_region height, in_region width], holding at least what fm_plan_region_input asks for; output: float32 [1, channels,
 * out_region height, out_region width], the caller's. Regions directly below one another, of the same columns, are cheapest: nothing is
 * computed twice (a lone one computes its surroundings too). Allocates only where a region needs more than runs before it. FM_ERR_SHAPE: an
 * array does not fit its region; FM_ERR_ARGUMENT: in_region is too small, or a region leaves its picture; FM_ERR_UNSUPPORTED as
 * fm_plan_region_input says; FM_ERR_NOMEM: the session has given memory back and may run smaller regions. */
FM_API int fm_session_run_region(fm_session *session, const struct fm_region *out_region, const struct fm_region *in_region,
                                 const struct fm_tensor *input, struct fm_tensor *output, struct fm_error *error);

/* Makes the run in progress (or, if there is none, the next one) stop soon. Any thread. */
FM_API void fm_session_cancel(fm_session *session);
FM_API int fm_session_set_progress(fm_session *session, fm_progress_fn progress, void *user);

/* Time per step: off at first. While on, fm_session_step_seconds gives thread-seconds spent in a step since it was turned on. */
FM_API int fm_session_set_profile(fm_session *session, bool on);
FM_API double fm_session_step_seconds(const fm_session *session, int step);

#ifdef __cplusplus
}
#endif
#endif
