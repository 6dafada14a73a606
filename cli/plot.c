/* SPDX-License-Identifier: MIT */
#include "plot.h"

#include <math.h>
#include <string.h>

#include "json.h"

#define WIDTH 860
#define LEFT 84
#define RIGHT 28
#define TOP 66         /* title and subtitle */
#define LEGEND 26      /* above each panel */
#define GAP 14         /* below each panel but the last */
#define BOTTOM 52      /* x ticks and label */
#define MARKERS_MAX 40 /* with more points than that the line alone is clearer */
#define TICKS_MAX 32
#define LABELS_MAX 512

/* Told apart by people who see colours differently too. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333"};
#define N_COLOURS ((int) (sizeof colours / sizeof *colours))

/* One axis: values low..high become pixels from..to. */
struct axis {
    double low, high, from, to;
    bool log;
    double tick[TICKS_MAX];
    int n_ticks;
};

static double place(const struct axis *a, double value)
{
    const double share = a->log ? log(value / a->low) / log(a->high / a->low) : (value - a->low) / (a->high - a->low);
    return a->from + share * (a->to - a->from);
}

static bool shown(const struct axis *a, double value)
{
    return isfinite(value) && (!a->log || value > 0);
}

/* The largest 1, 2 or 5 times a power of ten that is not above `value`. */
static double round_below(double value)
{
    const double power = pow(10, floor(log10(value) + 1e-9)), share = value / power * (1 + 1e-9);
    return power * (share >= 5 ? 5 : share >= 2 ? 2 : 1);
}

static double next_round(double value)
{
    const double power = pow(10, floor(log10(value) + 1e-9)), share = value / power;
    return power * (share > 4 ? 10 : share > 1.5 ? 5 : 2);
}

static void ticks_log(struct axis *a)
{
    a->low = round_below(a->low);
    double high = a->low;
    while (high < a->high * (1 - 1e-9)) high = next_round(high);
    a->high = high > a->low ? high : next_round(high);
    const double decades = log10(a->high / a->low);
    double v = a->low;
    while (v <= a->high * 1.001 && a->n_ticks < TICKS_MAX) {
        const bool is_power = v / pow(10, floor(log10(v) + 1e-9)) < 1.5;
        if (decades <= 4 || is_power) a->tick[a->n_ticks++] = v;
        v = next_round(v);
    }
}

static void ticks_linear(struct axis *a, bool to_edge)
{
    if (a->high <= a->low) a->high = a->low + 1;
    const double step = next_round(round_below((a->high - a->low) / 6));
    a->low = floor(a->low / step + 1e-9) * step;
    if (to_edge) a->high = ceil(a->high / step - 1e-9) * step;
    const int n = (int) floor((a->high - a->low) / step + 1e-6) + 1;
    for (int i = 0; i < n && i < TICKS_MAX; i++) a->tick[a->n_ticks++] = a->low + i * step;
}

static void widen(double value, double *low, double *high)
{
    if (value < *low) *low = value;
    if (value > *high) *high = value;
}

/* The axis over all x (or y) of the panels. */
static struct axis make_axis(
    const struct panel *panels, int n_panels, bool is_x, bool log_axis, bool from_data, double from, double to)
{
    struct axis a = {.low = INFINITY, .high = -INFINITY, .from = from, .to = to, .log = log_axis};
    for (int p = 0; p < n_panels; p++)
        for (int s = 0; s < panels[p].n_series; s++)
            for (int i = 0; i < panels[p].series[s].n; i++) {
                const double v = is_x ? panels[p].series[s].x[i] : panels[p].series[s].y[i];
                if (shown(&a, v)) widen(v, &a.low, &a.high);
            }
    if (a.low > a.high) a.low = a.high = 1;
    if (log_axis) {
        if (a.high < a.low * 1.001) a.low /= 2, a.high *= 2;
        ticks_log(&a);
    } else {
        if (!from_data && a.low > 0) a.low = 0;
        if (!from_data && a.high < 0) a.high = 0;
        if (from_data && a.high - a.low < fabs(a.high) * 0.02) a.low -= fabs(a.low) * 0.05, a.high += fabs(a.high) * 0.05;
        ticks_linear(&a, !is_x);
    }
    return a;
}

/* Text of XML: what is no UTF-8, and control characters, become '?'. */
static void put_text(FILE *to, const char *text)
{
    for (size_t left = strlen(text); left;) {
        const int n = json_utf8_length(text, left);
        const unsigned char c = (unsigned char) *text;
        if (n == 0 || c < 0x20 || c == 0x7f)
            putc('?', to);
        else if (c == '&' || c == '<' || c == '>')
            fputs(c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;", to);
        else if (n == 3 && c == 0xef && (unsigned char) text[1] == 0xbf && (unsigned char) text[2] >= 0xbe)
            putc('?', to); /* U+FFFE and U+FFFF, which XML excludes */
        else
            fwrite(text, 1, (size_t) n, to);
        text += n ? n : 1;
        left -= n ? (size_t) n : 1;
    }
}

static void text_at(FILE *to, double x, double y, const char *style, const char *text)
{
    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, style);
    put_text(to, text);
    fputs("</text>\n", to);
}

static void line_at(FILE *to, double x0, double y0, double x1, double y1, const char *class)
{
    fprintf(to, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x0, y0, x1, y1);
}

static const char *number_text(double value, char *text, size_t size)
{
    snprintf(text, size, fabs(value) < 1e-12 ? "0" : fabs(value) >= 1e6 ? "%.3g" : "%.7g", value);
    return text;
}

static void draw_axes(FILE *to, const struct axis *x, const struct axis *y, const char *y_label, bool x_numbers)
{
    char text[32];
    for (int i = 0; i < y->n_ticks; i++) {
        const double at = place(y, y->tick[i]);
        line_at(to, x->from, at, x->to, at, "grid");
        text_at(to, x->from - 8, at + 4, " text-anchor=\"end\"", number_text(y->tick[i], text, sizeof text));
    }
    for (int i = 0; i < x->n_ticks; i++) {
        const double at = place(x, x->tick[i]);
        line_at(to, at, y->from, at, y->to, "grid");
        line_at(to, at, y->from, at, y->from + 4, "axis");
        if (x_numbers) text_at(to, at, y->from + 18, " text-anchor=\"middle\"", number_text(x->tick[i], text, sizeof text));
    }
    line_at(to, x->from, y->from, x->to, y->from, "axis");
    line_at(to, x->from, y->from, x->from, y->to, "axis");
    fprintf(to, "<text transform=\"translate(20 %.1f) rotate(-90)\" text-anchor=\"middle\">", (y->from + y->to) / 2);
    put_text(to, y_label);
    fputs("</text>\n", to);
}

/* Where labels lie already, in the panel at hand. */
struct labels {
    struct box {
        double x0, y0, x1, y1;
    } box[LABELS_MAX];
    int n;
};

static double overlap(const struct labels *l, const struct box *b)
{
    double sum = 0;
    for (int i = 0; i < l->n; i++) {
        const double w = fmin(b->x1, l->box[i].x1) - fmax(b->x0, l->box[i].x0),
                     h = fmin(b->y1, l->box[i].y1) - fmax(b->y0, l->box[i].y0);
        if (w > 0 && h > 0) sum += w * h;
    }
    return sum;
}

static void keep_free(struct labels *l, const struct box *b)
{
    if (l->n < LABELS_MAX) l->box[l->n++] = *b;
}

/* Right of its point, left of it, above or below: where least is covered. */
static void draw_label(FILE *to, struct labels *l, double x, double y, const char *text, const char *colour)
{
    const double w = 6.2 * (double) strlen(text), h = 12;
    const struct box places[] = {{x + 7, y - h / 2, x + 7 + w, y + h / 2}, {x - 7 - w, y - h / 2, x - 7, y + h / 2},
        {x - w / 2, y - 6 - h, x + w / 2, y - 6}, {x - w / 2, y + 6, x + w / 2, y + 6 + h}};
    const struct box *best = NULL;
    double least = INFINITY;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const double covered = overlap(l, &places[i]) + (places[i].x0 < LEFT || places[i].x1 > WIDTH ? 1e6 : 0);
        if (covered < least) least = covered, best = &places[i];
    }
    char style[96];
    snprintf(style, sizeof style, " font-size=\"11\" fill=\"%s\" text-anchor=\"middle\"", colour);
    text_at(to, (best->x0 + best->x1) / 2, best->y1 - 2, style, text);
    keep_free(l, best);
}

static void draw_points(
    FILE *to, const struct axis *x, const struct axis *y, const struct series *s, const char *colour, struct labels *l)
{
    for (int i = 0; i < s->n; i++) {
        if (!shown(x, s->x[i]) || !shown(y, s->y[i])) continue;
        const double at_x = place(x, s->x[i]), at_y = place(y, s->y[i]);
        fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", at_x, at_y, colour);
        draw_label(to, l, at_x, at_y, s->label[i], colour);
    }
}

/* No label shall lie on a point. */
static void keep_points_free(const struct axis *x, const struct axis *y, const struct panel *panel, struct labels *l)
{
    for (int k = 0; k < panel->n_series; k++)
        for (int i = 0; i < panel->series[k].n && panel->series[k].label; i++) {
            if (!shown(x, panel->series[k].x[i]) || !shown(y, panel->series[k].y[i])) continue;
            const double at_x = place(x, panel->series[k].x[i]), at_y = place(y, panel->series[k].y[i]);
            keep_free(l, &(struct box){at_x - 4, at_y - 4, at_x + 4, at_y + 4});
        }
}

static void draw_series(
    FILE *to, const struct axis *x, const struct axis *y, const struct series *s, const char *colour, struct labels *l)
{
    bool pen = false;
    int points = 0;
    if (s->label) {
        draw_points(to, x, y, s, colour, l);
        return;
    }
    fprintf(to, "<path class=\"line\" stroke=\"%s\"%s d=\"", colour, s->dashed ? " stroke-dasharray=\"6 5\"" : "");
    for (int i = 0; i < s->n; i++) {
        const bool here = shown(x, s->x[i]) && shown(y, s->y[i]);
        if (here) fprintf(to, "%s%.1f %.1f", pen ? "L" : "M", place(x, s->x[i]), place(y, s->y[i])), points++;
        pen = here;
    }
    if (!points) fprintf(to, "M%.1f %.1f", x->from, y->from); /* an empty path is not drawn, nor is this one */
    fputs("\"/>\n", to);
    if (s->dashed || points > MARKERS_MAX) return;
    for (int i = 0; i < s->n; i++)
        if (shown(x, s->x[i]) && shown(y, s->y[i]))
            fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", place(x, s->x[i]), place(y, s->y[i]), colour);
}

/* Names in a row above the panel; too many go on in further places of the same row, cut where the row ends. */
static void draw_legend(FILE *to, const struct panel *panel, double y)
{
    double x = LEFT;
    for (int i = 0; i < panel->n_series; i++) {
        const struct series *s = &panel->series[i];
        const double width = 46 + 6.6 * (double) strlen(s->name);
        if (x > LEFT && x + width > WIDTH - RIGHT) break;
        if (s->label)
            fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", x + 11, y - 4, colours[i % N_COLOURS]);
        else
            fprintf(to, "<path class=\"line\" stroke=\"%s\"%s d=\"M%.1f %.1fh22\"/>\n", colours[i % N_COLOURS],
                s->dashed ? " stroke-dasharray=\"6 5\"" : "", x, y - 4);
        text_at(to, x + 28, y, "", s->name);
        x += width;
    }
}

bool plot_svg(const struct plot *plot, FILE *to)
{
    const int panel_height = plot->n_panels == 1 ? 360 : plot->n_panels == 2 ? 250 : 170;
    const int step = LEGEND + panel_height + GAP;
    const int height = TOP + plot->n_panels * step - GAP + BOTTOM;
    fprintf(to,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
        "font-size=\"12\" fill=\"#333333\">\n"
        "<style>.grid{stroke:#e4e4e4}.axis{stroke:#555555}.line{fill:none;stroke-width:2;stroke-linejoin:round}</style>\n"
        "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
        WIDTH, height, WIDTH, height, WIDTH, height);
    text_at(to, LEFT, 28, " font-size=\"17\" font-weight=\"bold\"", plot->title);
    text_at(to, LEFT, 48, " fill=\"#666666\"", plot->subtitle);
    const struct axis x = make_axis(plot->panel, plot->n_panels, true, plot->log_x, false, LEFT, WIDTH - RIGHT);
    for (int i = 0; i < plot->n_panels; i++) {
        const struct panel *panel = &plot->panel[i];
        const double top = TOP + i * step + LEGEND, bottom = top + panel_height;
        const struct axis y = make_axis(panel, 1, false, panel->log_y, panel->from_data, bottom, top);
        draw_legend(to, panel, top - 9);
        draw_axes(to, &x, &y, panel->y_label, i + 1 == plot->n_panels);
        struct labels labels = {.n = 0};
        keep_points_free(&x, &y, panel, &labels);
        for (int s = 0; s < panel->n_series; s++) draw_series(to, &x, &y, &panel->series[s], colours[s % N_COLOURS], &labels);
    }
    text_at(to, (LEFT + WIDTH - RIGHT) / 2.0, height - 12, " text-anchor=\"middle\"", plot->x_label);
    fputs("</svg>\n", to);
    return !ferror(to);
}
