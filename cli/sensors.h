/* SPDX-License-Identifier: MIT */
/* The processors' clock and temperature, where the machine shows them. */
#ifndef FM_CLI_SENSORS_H
#define FM_CLI_SENSORS_H

#include <stdbool.h>
#include <stddef.h>

#define SENSORS_MAX 64

struct sensors {
    char clock_source[64];       /* "cpufreq", "/proc/cpuinfo", or "": not shown */
    char temperature_source[96]; /* "coretemp", ..., or "" */
    char *clock[SENSORS_MAX], *temperature[SENSORS_MAX];
    int n_clocks, n_temperatures;
    char *cpuinfo;
};

/* Looks for what there is below `root` ("" on a machine; a folder of made-up files in tests). */
void sensors_find(struct sensors *sensors, const char *root);
void sensors_free(struct sensors *sensors);
/* The mean of all processors; NaN: not shown. */
double sensors_clock_mhz(const struct sensors *sensors);
/* The hottest place of the processor, or of the machine when it names none; NaN: not shown. */
double sensors_temperature_c(const struct sensors *sensors);

#endif
