/* SPDX-License-Identifier: MIT */
/* The mill's metrics as texts. */
#define _GNU_SOURCE /* strtok_r */
#include "check.h"
#include "mill/mill.h"

static struct mill_metrics example(void)
{
    struct mill_metrics m = {.acquired = 310,
        .submitted = 305,
        .done = 300,
        .delivered = 299,
        .dropped = 3,
        .failed = 1,
        .abandoned = 5,
        .cancelled = 2,
        .producer_waits = 17,
        .producer_wait_ns = 1234567890,
        .consumer_waits = 4,
        .consumer_wait_ns = 5600000,
        .busy_ns = 9000000000,
        .idle_ns = 1000000000,
        .workers = 2,
        .restarts = 1,
        .redone = 1,
        .slots_used = 13,
        .fps = 44.4};
    m.worker[0] = (struct mill_worker_metrics){
        .name = "cpu:2", .done = 250, .busy_ns = 5000000000, .mean_ms = 20, .share = 0.625, .failed = 1};
    m.worker[1] = (struct mill_worker_metrics){.name = "a \"b\" \\c\n\x01",
        .is_process = true,
        .is_left_out = true,
        .reason = "too \"slow\"",
        .done = 50,
        .busy_ns = 4000000000,
        .mean_ms = 80,
        .restarts = 1};
    return m;
}

static void json(void)
{
    const struct mill_metrics m = example();
    char text[4096];
    const size_t n = mill_metrics_text(&m, MILL_JSON, text, sizeof text);
    CHECK_INT(n, strlen(text));
    CHECK_STR(text,
        "{\"acquired\":310,\"submitted\":305,\"done\":300,\"delivered\":299,\"dropped\":3,\"failed\":1,\"abandoned\":5,"
        "\"cancelled\":2,\"redone\":1,\"restarts\":1,\"producer_waits\":17,\"consumer_waits\":4,\"slots_used\":13,"
        "\"fps\":44.400,\"producer_wait_ms\":1234.568,\"consumer_wait_ms\":5.600,\"busy_ms\":9000.000,"
        "\"idle_ms\":1000.000,\"calibrating\":false,\"workers\":["
        "{\"name\":\"cpu:2\",\"kind\":\"thread\",\"left_out\":false,\"reason\":\"\",\"done\":250,\"failed\":1,"
        "\"mean_ms\":20.000,\"share\":0.6250,\"restarts\":0},"
        "{\"name\":\"a \\\"b\\\" \\\\c\\n\\u0001\",\"kind\":\"process\",\"left_out\":true,\"reason\":\"too \\\"slow\\\"\","
        "\"done\":50,\"failed\":0,\"mean_ms\":80.000,\"share\":0.0000,\"restarts\":1}]}");
}

static void prometheus(void)
{
    const struct mill_metrics m = example();
    char text[8192];
    const size_t n = mill_metrics_text(&m, MILL_PROMETHEUS, text, sizeof text);
    CHECK_INT(n, strlen(text));
    CHECK_HAS(text, "# TYPE framemill_delivered_total counter\nframemill_delivered_total 299\n");
    CHECK_HAS(text, "# TYPE framemill_slots_used gauge\nframemill_slots_used 13\n");
    CHECK_HAS(text, "framemill_fps 44.400\n");
    CHECK_HAS(text, "# TYPE framemill_worker_busy_seconds_total counter\n"
                    "framemill_worker_busy_seconds_total{index=\"0\",worker=\"cpu:2\"} 5\n"
                    "framemill_worker_busy_seconds_total{index=\"1\",worker=\"a \\\"b\\\" \\\\c\\n \"} 4\n");
    CHECK_HAS(text, "framemill_worker_left_out{index=\"1\",worker=\"a \\\"b\\\" \\\\c\\n \"} 1\n");
    CHECK_INT(text[strlen(text) - 1], '\n');
    /* every line is a comment or "name value", every name has its HELP and TYPE before it */
    char copy[sizeof text];
    memcpy(copy, text, sizeof copy);
    char *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#') {
            CHECK(strncmp(line, "# HELP framemill_", 17) == 0 || strncmp(line, "# TYPE framemill_", 17) == 0);
            continue;
        }
        char type[128];
        snprintf(type, sizeof type, "# TYPE %.*s ", (int) strcspn(line, "{ "), line);
        CHECK_HAS(text, type);
        char *end;
        strtod(strrchr(line, ' ') + 1, &end);
        CHECK_MSG(*end == 0, "%s", line);
    }
}

static void table(void)
{
    struct mill_metrics m = example();
    char text[8192];
    const size_t n = mill_metrics_text(&m, MILL_TABLE, text, sizeof text);
    CHECK_INT(n, strlen(text));
    CHECK_HAS(text, "310 taken, 305 given to workers, 300 processed, 299 in order (44.40 fps)\n");
    CHECK_HAS(text, "3 dropped, 1 failed, 5 abandoned, 2 cancelled\n");
    CHECK_HAS(text, "source 17 (1234.6 ms), sink 4 (5.6 ms); 13 slots used\n");
    CHECK_HAS(text, "62.5%");
    CHECK_HAS(text, "left out");
    CHECK_HAS(text, "  too \"slow\"\n");
    m.workers = 100;
    memset(m.worker[2].reason, 'x', sizeof m.worker[2].reason - 1);
    mill_metrics_text(&m, MILL_TABLE, text, sizeof text);
    CHECK_HAS(text, "and 36 more\n");
    size_t column = 0, widest = 0;
    for (const char *c = text; *c; c++) {
        column = *c == '\n' ? 0 : column + 1;
        widest = column > widest ? column : widest;
    }
    CHECK(widest <= 132);
}

/* Like snprintf: any size, always terminated, the whole length told. */
static void texts_are_cut_to_size(void)
{
    const struct mill_metrics m = example();
    for (int format = MILL_TABLE; format <= MILL_PROMETHEUS; format++) {
        char whole[8192], part[8192];
        const size_t n = mill_metrics_text(&m, (enum mill_format) format, whole, sizeof whole);
        CHECK_INT(mill_metrics_text(&m, (enum mill_format) format, NULL, 0), n);
        for (size_t size = 1; size <= n + 1; size += 37) {
            memset(part, '#', sizeof part);
            CHECK_INT(mill_metrics_text(&m, (enum mill_format) format, part, size), n);
            CHECK_MEM(part, whole, size - 1);
            CHECK(part[size - 1] == 0 && part[size] == '#');
        }
    }
}

int main(void)
{
    RUN(json);
    RUN(prometheus);
    RUN(table);
    RUN(texts_are_cut_to_size);
    return check_report();
}
