/* SPDX-License-Identifier: MIT */
/* Where frames go: through an encoder into the journal of a file job, from which the result is made in the end, or straight into a
 * muxer (live ones, pipes, pictures). One thread. */
#ifndef FM_TASKS_VIDEO_OUTPUT_H
#define FM_TASKS_VIDEO_OUTPUT_H

#include "core/sha256.h"
#include "tasks/video/video.h"

/* How far a job is: what a checkpoint keeps. */
struct video_state {
    int64_t frames;              /* made */
    int64_t first_pts, last_pts; /* of the first and the last of them */
    int64_t source_pts;          /* of the last one, as the source had it: last_pts may have been moved */
    int64_t damaged;
    struct sha256 hash;
};

struct video_output;

/* Opens the journal (or finds out that there is none to be). `state` tells where the job goes on. *done: all frames are there, only
 * the result is to be made. */
int video_output_open(struct video *v, struct video_output **out, struct video_state *state, bool *done, struct fm_error *error);
/* Opens the encoder, and the muxer where there is no journal. `first` is the first frame of the input, for what it knows of HDR. */
int video_output_begin(struct video_output *o, const struct video_frame *first, struct fm_error *error);
/* Takes a finished frame. source: what it was made of, for its side data. before: the state of the job before this frame. */
int video_output_frame(struct video_output *o, struct video_frame *frame, const struct video_frame *source,
    const struct video_state *before, struct fm_error *error);
/* A packet of another stream of the input, for muxers that are fed directly. After video_output_begin; any one thread, beside the one
 * that gives frames. The packet stays the caller's. */
int video_output_packet(struct video_output *o, const struct media_packet *packet, struct fm_error *error);
/* All frames were given: the result is made and gets its name, the journal goes. `tick` is called now and then. */
int video_output_finish(
    struct video_output *o, const struct video_state *state, void (*tick)(void *user), void *user, struct fm_error *error);
/* The job ends before its time: what is there becomes a playable file (its name, or ""), the journal stays, unless there is nothing in
 * it. */
void video_output_abandon(struct video_output *o, char *partial, size_t partial_size);
void video_output_close(struct video_output **output); /* accepts NULL contents, sets NULL */

/* What is left to go on with after abandoning; "": nothing. */
const char *video_output_journal(const struct video_output *o);
const char *video_output_warnings(const struct video_output *o);
const char *video_output_encoder(const struct video_output *o);
bool video_output_paces(const struct video_output *o); /* frames are taken no sooner than they happen */
uint64_t video_output_bytes(const struct video_output *o);
uint64_t video_output_busy_ns(const struct video_output *o);

#endif
