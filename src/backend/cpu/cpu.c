/* SPDX-License-Identifier: MIT */
/* The CPU backend: compiling, and the table. */

#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "core/error.h"

static void cpu_program_destroy(struct backend_program **program)
{
    struct backend_program *p = *program;
    *program = NULL;
    if (!p) return;
    arena_destroy(&p->layout_arena);
    arena_destroy(&p->arena);
    core_free(p);
}

/* Whether every step that works on the input looks at a part of it: then a part of the output needs a part of the input, whatever the
 * part's place decides (the tables of a resize are made for the whole picture). And what kind of step makes output 0. */
static int find_locality(struct backend_program *p, struct fm_error *error)
{
    bool *varies = arena_array(p->arena, (size_t) p->n_values + 1, sizeof *varies);
    if (!varies) return core_fail_nomem(error, 0);
    p->local = true;
    p->output_step = -1;
    for (int v = 0; v < p->n_values; v++) varies[v] = p->value[v].memory == MEMORY_INPUT;
    for (int s = 0; s < p->n_steps; s++) {
        const struct plan_step *step = &p->plan_step[s];
        bool any = false;
        for (int i = 0; i < step->n_in; i++) {
            if (!varies[step->in[i].value]) continue;
            any = true;
            if (step->whole || step->in[i].x.whole || step->in[i].y.whole) p->local = false;
        }
        for (int k = 0; k < step->n_out; k++) {
            varies[step->out[k]] = any;
            if (!p->graph->n_outputs || step->out[k] != p->output_value[0]) continue;
            p->output_step = s;
            p->writes_whole = step->whole;
        }
    }
    return FM_OK;
}

static int cpu_compile(
    const struct graph *graph, const struct backend_options *o, struct backend_program **out, struct fm_error *error)
{
    *out = NULL;
    struct backend_program *p = core_calloc(1, sizeof *p);
    if (!p) return core_fail_nomem(error, sizeof *p);
    *p = (struct backend_program){
        .graph = graph, .threads = o->threads, .kernels = kernel_set_for(o->cpu_flags), .exact = o->tiles_are_exact};
    p->arena = arena_create();
    p->layout_arena = arena_create();
    int code = p->arena && p->layout_arena ? FM_OK : core_fail_nomem(error, 0);
    if (code == FM_OK) code = cpu_lower(p, error);
    if (code == FM_OK && p->n_tail < graph->n_nodes && p->output_value && graph->n_outputs && cpu_is_picture(p, graph->output[0])) {
        int n, c;
        cpu_picture(&graph->value[graph->output[0]], &n, &c, &p->frame_h, &p->frame_w);
    }
    if (code == FM_OK) code = find_locality(p, error);
    if (code == FM_OK && !o->regions) code = cpu_choose_tile(p, o, error);
    if (code < 0) {
        cpu_program_destroy(&p);
        return code;
    }
    *out = p;
    return FM_OK;
}

static void cpu_program_info(const struct backend_program *p, struct backend_info *info)
{
    *info = (struct backend_info){.weights_bytes = p->weights_bytes,
        .session_bytes = p->held_bytes,
        .tile = p->tile,
        .tiles = cpu_tiles_x(p) * cpu_tiles_y(p),
        .steps = p->n_steps,
        .macs = p->macs};
}

static int cpu_program_step(const struct backend_program *p, int index, struct backend_step *step)
{
    if (index < 0 || index >= p->n_steps) return FM_ERR_EOS;
    const struct cpu_step *s = &p->step[index];
    *step = (struct backend_step){.name = s->name, .what = s->what, .how = s->how, .macs = s->macs};
    return FM_OK;
}

static int cpu_wait(struct backend_session *session, uint64_t ticket, struct fm_error *error)
{
    (void) ticket;
    (void) error;
    return session->result;
}

static void cpu_set_profile(struct backend_session *session, bool on)
{
    if (on && !session->profile)
        for (int i = 0; i < session->program->n_steps; i++) atomic_store(&session->step_ns[i], 0);
    session->profile = on;
}

static double cpu_step_seconds(const struct backend_session *session, int step)
{
    return step < 0 || step >= session->program->n_steps ? 0 : (double) atomic_load(&session->step_ns[step]) * 1e-9;
}

const struct backend backend_cpu = {
    .name = "cpu",
    .compile = cpu_compile,
    .program_destroy = cpu_program_destroy,
    .program_info = cpu_program_info,
    .program_step = cpu_program_step,
    .can_region = cpu_can_region,
    .region_need = cpu_region_need,
    .region_bytes = cpu_region_bytes,
    .can_choose = cpu_can_choose,
    .session_create = cpu_session_create,
    .session_warm = cpu_session_warm,
    .session_destroy = cpu_session_destroy,
    .submit = cpu_submit,
    .wait = cpu_wait,
    .spread = cpu_spread,
    .set_profile = cpu_set_profile,
    .step_seconds = cpu_step_seconds,
};
