/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sensors.h"

#include <glob.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a file, or "". */
static const char *read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, size, file)) line[0] = 0;
    if (file) fclose(file);
    line[strcspn(line, "\n")] = 0;
    return line;
}

static double read_number(const char *path)
{
    char line[64], *end;
    const double value = strtod(read_line(path, line, sizeof line), &end);
    return end == line ? NAN : value;
}

static void add_matches(char **list, int *n, const char *pattern)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0) return;
    for (size_t i = 0; i < found.gl_pathc && *n < SENSORS_MAX; i++) {
        if (isnan(read_number(found.gl_pathv[i]))) continue; /* there, but it cannot be read */
        list[*n] = strdup(found.gl_pathv[i]);
        if (list[*n]) ++*n;
    }
    globfree(&found);
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strncmp(name, *list, strlen(*list))) return true;
    return false;
}

/* Folders that match `pattern` and whose file `name_file` begins with one of the names (NULL: any); of these the files `values`. */
static void add_named(struct sensors *s, const char *pattern, const char *name_file, const char *const *names, const char *values)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0) return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char path[PATH_MAX], name[64];
        snprintf(path, sizeof path, "%s/%s", found.gl_pathv[i], name_file);
        read_line(path, name, sizeof name);
        if (names && !is_one_of(name, names)) continue;
        snprintf(path, sizeof path, "%s/%s", found.gl_pathv[i], values);
        const int before = s->n_temperatures;
        add_matches(s->temperature, &s->n_temperatures, path);
        const size_t used = strlen(s->temperature_source);
        if (s->n_temperatures > before && *name && !strstr(s->temperature_source, name))
            snprintf(s->temperature_source + used, sizeof s->temperature_source - used, "%s%s", used ? ", " : "", name);
    }
    globfree(&found);
    if (s->n_temperatures && !s->temperature_source[0])
        snprintf(s->temperature_source, sizeof s->temperature_source, "%s", "sensors without a name");
}

static double cpuinfo_mhz(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[512];
    double sum = 0;
    int n = 0;
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strncmp(line, "cpu MHz", 7) == 0 ? strchr(line, ':') : NULL;
        char *end = NULL;
        const double mhz = colon ? strtod(colon + 1, &end) : 0;
        if (colon && end != colon + 1) sum += mhz, n++;
    }
    if (file) fclose(file);
    return n ? sum / n : NAN;
}

void sensors_find(struct sensors *s, const char *root)
{
    static const char *const chips[] = {"coretemp", "k10temp", "zenpower", "cpu", "via_cputemp", NULL};
    static const char *const zones[] = {"x86_pkg_temp", "cpu", "CPU", "soc", NULL};
    char path[PATH_MAX];
    *s = (struct sensors){0};
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq", root);
    add_matches(s->clock, &s->n_clocks, path);
    if (s->n_clocks) snprintf(s->clock_source, sizeof s->clock_source, "cpufreq");
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    if (!s->n_clocks && !isnan(cpuinfo_mhz(path)) && (s->cpuinfo = strdup(path)))
        snprintf(s->clock_source, sizeof s->clock_source, "/proc/cpuinfo");

    char chip[PATH_MAX], zone[PATH_MAX];
    snprintf(chip, sizeof chip, "%s/sys/class/hwmon/hwmon*", root);
    snprintf(zone, sizeof zone, "%s/sys/class/thermal/thermal_zone*", root);
    add_named(s, chip, "name", chips, "temp*_input");
    if (!s->n_temperatures) add_named(s, zone, "type", zones, "temp");
    if (!s->n_temperatures) add_named(s, zone, "type", NULL, "temp");
}

void sensors_free(struct sensors *s)
{
    for (int i = 0; i < s->n_clocks; i++) free(s->clock[i]);
    for (int i = 0; i < s->n_temperatures; i++) free(s->temperature[i]);
    free(s->cpuinfo);
    *s = (struct sensors){0};
}

double sensors_clock_mhz(const struct sensors *s)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < s->n_clocks; i++) {
        const double khz = read_number(s->clock[i]);
        if (khz > 0) sum += khz / 1e3, n++; /* a processor that was switched off says nothing */
    }
    if (n) return sum / n;
    return s->cpuinfo ? cpuinfo_mhz(s->cpuinfo) : NAN;
}

double sensors_temperature_c(const struct sensors *s)
{
    double hottest = NAN;
    for (int i = 0; i < s->n_temperatures; i++) {
        const double c = read_number(s->temperature[i]) / 1e3;
        if (c > -60 && c < 160 && !(c <= hottest)) hottest = c; /* beyond that it is a sensor that is not connected */
    }
    return hottest;
}
