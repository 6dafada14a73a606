/* SPDX-License-Identifier: MIT */
#include "mill/mill.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* What is written so far, and would be. */
struct text {
    char *out;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t, const char *format, ...)
{
    va_list args;
    const size_t left = t->length < t->size ? t->size - t->length : 0;
    va_start(args, format);
    const int n = vsnprintf(left ? t->out + t->length : NULL, left, format, args);
    va_end(args);
    if (n > 0) t->length += (size_t) n;
}

/* Names and reasons come from command lines and other processes: quotes, backslashes and control characters are escaped, as JSON
 * wants it or as Prometheus does (which knows only \\, \" and \n). */
static void text_add_quoted(struct text *t, const char *text, bool json)
{
    text_add(t, "\"");
    for (const unsigned char *c = (const unsigned char *) text; *c; c++) {
        if (*c == '"' || *c == '\\')
            text_add(t, "\\%c", *c);
        else if (*c == '\n')
            text_add(t, "\\n");
        else if (*c >= 0x20 && *c != 0x7f)
            text_add(t, "%c", *c);
        else if (json)
            text_add(t, "\\u%04x", *c);
        else
            text_add(t, " ");
    }
    text_add(t, "\"");
}

static int text_workers(const struct mill_metrics *m)
{
    return m->workers < MILL_METRICS_WORKERS ? m->workers : MILL_METRICS_WORKERS;
}

/* ---- one list of numbers for all forms ---- */

struct text_number {
    const char *name, *help;
    bool counts; /* only ever grows */
    uint64_t value;
};

#define TEXT_NUMBERS 13

static void text_numbers(const struct mill_metrics *m, struct text_number n[TEXT_NUMBERS])
{
    const struct text_number all[TEXT_NUMBERS] = {{"acquired", "slots the source asked for", true, m->acquired},
        {"submitted", "slots given to workers", true, m->submitted},
        {"done", "slots processed, failed ones included", true, m->done},
        {"delivered", "slots handed on in order", true, m->delivered},
        {"dropped", "slots of a live source that were too late", true, m->dropped},
        {"failed", "slots that ended in an error", true, m->failed},
        {"abandoned", "slots the source gave back", true, m->abandoned},
        {"cancelled", "slots left undone by a stop", true, m->cancelled},
        {"redone", "slots given to another worker", true, m->redone},
        {"restarts", "worker processes started again", true, m->restarts},
        {"producer_waits", "times the source found no slot free", true, m->producer_waits},
        {"consumer_waits", "times the next slot in order was not done", true, m->consumer_waits},
        {"slots_used", "slots of the ring in use at most", false, (uint64_t) m->slots_used}};
    for (int i = 0; i < TEXT_NUMBERS; i++) n[i] = all[i];
}

static const char *text_state(const struct mill_metrics *m, const struct mill_worker_metrics *w)
{
    return w->is_left_out ? "left out" : m->is_calibrating ? "measured" : "works";
}

static void text_table(struct text *t, const struct mill_metrics *m)
{
    text_add(t,
        "frames    %" PRIu64 " taken, %" PRIu64 " given to workers, %" PRIu64 " processed, %" PRIu64 " in order (%.2f fps)\n",
        m->acquired, m->submitted, m->done, m->delivered, m->fps);
    text_add(t, "lost      %" PRIu64 " dropped, %" PRIu64 " failed, %" PRIu64 " abandoned, %" PRIu64 " cancelled\n", m->dropped,
        m->failed, m->abandoned, m->cancelled);
    text_add(t, "waits     source %" PRIu64 " (%.1f ms), sink %" PRIu64 " (%.1f ms); %d slots used\n", m->producer_waits,
        (double) m->producer_wait_ns * 1e-6, m->consumer_waits, (double) m->consumer_wait_ns * 1e-6, m->slots_used);
    text_add(t, "repairs   %" PRIu64 " restarts, %" PRIu64 " slots done by another\n", m->restarts, m->redone);
    text_add(
        t, "%-16s %-8s %-9s %10s %8s %10s %7s %8s\n", "worker", "kind", "state", "done", "failed", "mean ms", "share", "restarts");
    for (int i = 0; i < text_workers(m); i++) {
        const struct mill_worker_metrics *const w = &m->worker[i];
        char share[16] = "-";
        if (w->share > 0) snprintf(share, sizeof share, "%.1f%%", w->share * 100);
        text_add(t, "%-16.31s %-8s %-9s %10" PRIu64 " %8" PRIu64 " %10.3f %7s %8" PRIu64 "\n", w->name,
            w->is_process ? "process" : "thread", text_state(m, w), w->done, w->failed, w->mean_ms, share, w->restarts);
        if (w->reason[0]) text_add(t, "  %.*s\n", 130, w->reason);
    }
    if (m->workers > MILL_METRICS_WORKERS) text_add(t, "and %d more\n", m->workers - MILL_METRICS_WORKERS);
}

static void text_json(struct text *t, const struct mill_metrics *m)
{
    struct text_number n[TEXT_NUMBERS];
    text_numbers(m, n);
    text_add(t, "{");
    for (int i = 0; i < TEXT_NUMBERS; i++) text_add(t, "\"%s\":%" PRIu64 ",", n[i].name, n[i].value);
    text_add(t, "\"fps\":%.3f,\"producer_wait_ms\":%.3f,\"consumer_wait_ms\":%.3f,\"busy_ms\":%.3f,\"idle_ms\":%.3f,", m->fps,
        (double) m->producer_wait_ns * 1e-6, (double) m->consumer_wait_ns * 1e-6, (double) m->busy_ns * 1e-6,
        (double) m->idle_ns * 1e-6);
    text_add(t, "\"calibrating\":%s,\"workers\":[", m->is_calibrating ? "true" : "false");
    for (int i = 0; i < text_workers(m); i++) {
        const struct mill_worker_metrics *const w = &m->worker[i];
        text_add(t, "%s{\"name\":", i ? "," : "");
        text_add_quoted(t, w->name, true);
        text_add(t, ",\"kind\":\"%s\",\"left_out\":%s,\"reason\":", w->is_process ? "process" : "thread",
            w->is_left_out ? "true" : "false");
        text_add_quoted(t, w->reason, true);
        text_add(t, ",\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"mean_ms\":%.3f,\"share\":%.4f,\"restarts\":%" PRIu64 "}",
            w->done, w->failed, w->mean_ms, w->share, w->restarts);
    }
    text_add(t, "]}");
}

/* ---- Prometheus: all values of one name together, under its HELP and TYPE ---- */

enum text_each { TEXT_DONE, TEXT_FAILED, TEXT_RESTARTS, TEXT_BUSY, TEXT_SHARE, TEXT_LEFT_OUT, TEXT_EACH };

static double text_each_value(const struct mill_worker_metrics *w, enum text_each what)
{
    switch (what) {
    case TEXT_DONE: return (double) w->done;
    case TEXT_FAILED: return (double) w->failed;
    case TEXT_RESTARTS: return (double) w->restarts;
    case TEXT_BUSY: return (double) w->busy_ns * 1e-9;
    case TEXT_SHARE: return w->share;
    default: return w->is_left_out;
    }
}

static void text_prometheus(struct text *t, const struct mill_metrics *m)
{
    static const char *const each[TEXT_EACH][3] = {{"slots_total", "counter", "slots a worker processed"},
        {"failed_total", "counter", "slots a worker failed at"},
        {"restarts_total", "counter", "times a worker's process was started again"},
        {"busy_seconds_total", "counter", "time a worker was at slots"},
        {"share", "gauge", "share of the slots that a worker is given"}, {"left_out", "gauge", "1 where a worker is not used"}};
    struct text_number n[TEXT_NUMBERS];
    text_numbers(m, n);
    for (int i = 0; i < TEXT_NUMBERS; i++) {
        const char *const end = n[i].counts ? "_total" : "", *const type = n[i].counts ? "counter" : "gauge";
        text_add(t, "# HELP framemill_%s%s %s\n# TYPE framemill_%s%s %s\n", n[i].name, end, n[i].help, n[i].name, end, type);
        text_add(t, "framemill_%s%s %" PRIu64 "\n", n[i].name, end, n[i].value);
    }
    text_add(t,
        "# HELP framemill_fps frames per second, from the first to the last\n# TYPE framemill_fps gauge\nframemill_fps %.3f\n",
        m->fps);
    for (int what = 0; what < TEXT_EACH; what++) {
        const char *const *const e = each[what];
        text_add(t, "# HELP framemill_worker_%s %s\n# TYPE framemill_worker_%s %s\n", e[0], e[2], e[0], e[1]);
        for (int i = 0; i < text_workers(m); i++) {
            text_add(t, "framemill_worker_%s{index=\"%d\",worker=", e[0], i);
            text_add_quoted(t, m->worker[i].name, false);
            text_add(t, "} %.9g\n", text_each_value(&m->worker[i], (enum text_each) what));
        }
    }
}

size_t mill_metrics_text(const struct mill_metrics *metrics, enum mill_format format, char *out, size_t size)
{
    struct text t = {.out = out, .size = size};
    if (size) out[0] = 0;
    if (format == MILL_JSON)
        text_json(&t, metrics);
    else if (format == MILL_PROMETHEUS)
        text_prometheus(&t, metrics);
    else
        text_table(&t, metrics);
    return t.length;
}
