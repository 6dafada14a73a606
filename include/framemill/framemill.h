/* SPDX-License-Identifier: MIT */
/* framemill: small neural networks on frames, in real time, on the machine people have.
 *
 *     engine   the machine: processor features, threads
 *     model    a network from a file
 *     plan     that network, ready for one size
 *     session  the memory to run it
 *
 * fm_model_open -> fm_plan_create -> fm_session_create -> fm_session_run ... ; examples/run.c shows it in forty lines. */
#ifndef FRAMEMILL_H
#define FRAMEMILL_H

#include "engine.h"
#include "error.h"
#include "model.h"
#include "models.h"
#include "picture.h"
#include "plan.h"
#include "probe.h"
#include "quality.h"
#include "session.h"
#include "tensor.h"
#include "upscale.h"
#include "video.h"
#include "web.h"

#endif
