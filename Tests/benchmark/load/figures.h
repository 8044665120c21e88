/* What a load generator counts and prints. One thread, so nothing is guarded. */
#ifndef LOAD_FIGURES_H
#define LOAD_FIGURES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { TIERS = 4 };
static const char *const tier_names[TIERS] = {"memory", "dragonfly", "sqlite", "none"};

static struct {
    long sent, answered, broken, bytes;
    long longest_queue;     /* of requests that were due and had no free connection */
    long statuses[6];       /* by the first digit; 0: not a status */
    long tiers[TIERS];      /* by `detail` of Cache-Status */
    uint32_t *latencies;    /* of the answered, in units of 100 ns, so that seven minutes fit */
    long room;
} figures;

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

/* Nanoseconds of CLOCK_MONOTONIC. */
static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* The value of a header field in header lines; NULL when it is not there. `name` ends in a colon. */
static const char *field(const char *head, const char *name)
{
    for (const char *line = head; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, strlen(name)) == 0) return line + strlen(name);
    }
    return NULL;
}

static int tier_of(const char *head)
{
    const char *value = field(head, "Cache-Status:");
    const char *end = value ? strchr(value, '\n') : NULL;
    const char *detail = value ? strstr(value, "detail=") : NULL;
    if (detail == NULL || (end != NULL && detail > end)) return TIERS - 1;
    for (int tier = 0; tier < TIERS - 1; tier++)
        if (strncmp(detail + 7, tier_names[tier], strlen(tier_names[tier])) == 0) return tier;
    return TIERS - 1;
}

/* `head` is the text of all header lines. */
static void note_head(int status, const char *head)
{
    figures.statuses[status >= 100 && status < 600 ? status / 100 : 0]++;
    figures.tiers[tier_of(head)]++;
}

static void note_latency(uint64_t since)
{
    if (figures.answered == figures.room) {
        figures.room = figures.room ? figures.room * 2 : 1 << 20;
        figures.latencies = realloc(figures.latencies, (size_t)figures.room * sizeof *figures.latencies);
        if (figures.latencies == NULL) give_up("realloc");
    }
    figures.latencies[figures.answered++] = (uint32_t)((now() - since) / 100);
}

static int ascending(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static double percentile(double share)
{
    long index = (long)(share * (double)figures.answered);
    if (figures.answered == 0) return 0;
    return figures.latencies[index < figures.answered ? index : figures.answered - 1] / 10.0;
}

/* One JSON object; latencies in microseconds. */
static void print_figures(double seconds)
{
    double sum = 0;
    if (figures.answered > 0) qsort(figures.latencies, (size_t)figures.answered, sizeof *figures.latencies, ascending);
    for (long index = 0; index < figures.answered; index++) sum += figures.latencies[index] / 10.0;
    printf("{\"seconds\": %.3f, \"sent\": %ld, \"answered\": %ld, \"broken\": %ld, \"bytes\": %ld, \"longest_queue\": %ld, ",
           seconds, figures.sent, figures.answered, figures.broken, figures.bytes, figures.longest_queue);
    printf("\"statuses\": {\"1xx\": %ld, \"2xx\": %ld, \"3xx\": %ld, \"4xx\": %ld, \"5xx\": %ld, \"other\": %ld}, ",
           figures.statuses[1], figures.statuses[2], figures.statuses[3], figures.statuses[4], figures.statuses[5], figures.statuses[0]);
    printf("\"tiers\": {\"memory\": %ld, \"dragonfly\": %ld, \"sqlite\": %ld, \"none\": %ld}, ",
           figures.tiers[0], figures.tiers[1], figures.tiers[2], figures.tiers[3]);
    printf("\"per_second\": %.1f, \"latency\": {\"mean\": %.1f, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}}\n",
           (double)figures.answered / seconds, figures.answered ? sum / (double)figures.answered : 0, percentile(.5), percentile(.9),
           percentile(.99), percentile(.999), percentile(1));
}

#endif
