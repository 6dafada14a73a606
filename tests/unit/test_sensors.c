/* SPDX-License-Identifier: MIT */
/* Clocks and temperatures from a made-up machine. */
#define _GNU_SOURCE
#include "check.h"

#include "../../cli/sensors.c" /* the program's own files are in no library */

#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/fm_sensors_XXXXXX";

static void put(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *p = whole + sizeof root; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        mkdir(whole, 0755);
        *p = '/';
    }
    FILE *file = fopen(whole, "w");
    CHECK(file != NULL);
    if (!file) return;
    fputs(text, file);
    fclose(file);
}

static void clear(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s/*", root);
    CHECK_INT(system(command), 0);
}

static void nothing_is_shown(void)
{
    struct sensors s;
    sensors_find(&s, root);
    CHECK_STR(s.clock_source, "");
    CHECK_STR(s.temperature_source, "");
    CHECK(isnan(sensors_clock_mhz(&s)));
    CHECK(isnan(sensors_temperature_c(&s)));
    sensors_free(&s);
}

static void clocks_of_all_processors(void)
{
    struct sensors s;
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1800000\n");
    put("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3000000\n");
    put("sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq", "1200000\n");
    put("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "9000000\n");
    put("proc/cpuinfo", "cpu MHz\t\t: 100.0\n");
    sensors_find(&s, root);
    CHECK_STR(s.clock_source, "cpufreq");
    CHECK_NEAR(sensors_clock_mhz(&s), 2000.0, 1e-9);
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "600000\n");
    CHECK_NEAR(sensors_clock_mhz(&s), 1600.0, 1e-9);
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "");
    CHECK_NEAR(sensors_clock_mhz(&s), 2100.0, 1e-9);
    sensors_free(&s);
    clear();
}

static void cpuinfo_when_there_is_no_better(void)
{
    struct sensors s;
    put("proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 2300.500\nbogomips : 1\n\nprocessor\t: 1\ncpu MHz\t\t: 2500.500\n");
    sensors_find(&s, root);
    CHECK_STR(s.clock_source, "/proc/cpuinfo");
    CHECK_NEAR(sensors_clock_mhz(&s), 2400.5, 1e-9);
    sensors_free(&s);
    put("proc/cpuinfo", "processor\t: 0\nmodel name : a processor that keeps it to itself\n");
    sensors_find(&s, root);
    CHECK_STR(s.clock_source, "");
    sensors_free(&s);
    clear();
}

static void the_processors_own_sensors_go_first(void)
{
    struct sensors s;
    put("sys/class/thermal/thermal_zone0/type", "acpitz\n");
    put("sys/class/thermal/thermal_zone0/temp", "91000\n");
    sensors_find(&s, root);
    CHECK_STR(s.temperature_source, "acpitz");
    CHECK_NEAR(sensors_temperature_c(&s), 91.0, 1e-9);
    sensors_free(&s);

    put("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
    put("sys/class/thermal/thermal_zone1/temp", "55000\n");
    sensors_find(&s, root);
    CHECK_STR(s.temperature_source, "x86_pkg_temp");
    CHECK_NEAR(sensors_temperature_c(&s), 55.0, 1e-9);
    sensors_free(&s);

    put("sys/class/hwmon/hwmon0/name", "nvme\n");
    put("sys/class/hwmon/hwmon0/temp1_input", "70000\n");
    put("sys/class/hwmon/hwmon1/name", "coretemp\n");
    put("sys/class/hwmon/hwmon1/temp1_input", "48000\n");
    put("sys/class/hwmon/hwmon1/temp2_input", "52250\n");
    put("sys/class/hwmon/hwmon1/temp3_input", "-128000\n"); /* not connected */
    put("sys/class/hwmon/hwmon1/temp1_crit", "100000\n");
    sensors_find(&s, root);
    CHECK_STR(s.temperature_source, "coretemp");
    CHECK_INT(s.n_temperatures, 3);
    CHECK_NEAR(sensors_temperature_c(&s), 52.25, 1e-9);
    put("sys/class/hwmon/hwmon1/temp1_input", "garbage\n");
    put("sys/class/hwmon/hwmon1/temp2_input", "");
    CHECK(isnan(sensors_temperature_c(&s)));
    sensors_free(&s);
    clear();
}

int main(void)
{
    if (!mkdtemp(root)) return 1;
    RUN(nothing_is_shown);
    RUN(clocks_of_all_processors);
    RUN(cpuinfo_when_there_is_no_better);
    RUN(the_processors_own_sensors_go_first);
    rmdir(root);
    return check_report();
}
