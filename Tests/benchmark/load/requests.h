/* The requests of a load generator, made beforehand: one for each path of a file. */
#ifndef LOAD_REQUESTS_H
#define LOAD_REQUESTS_H

#include "figures.h"

struct request {
    char *bytes;
    size_t length;
};

static struct request *requests;
static long request_count;

/* Fills `requests` with what `make` makes of each line of the file. */
static void read_requests(const char *file_name, struct request (*make)(const char *path))
{
    char line[8192];
    long room = 0;
    FILE *file = fopen(file_name, "r");
    if (file == NULL) give_up(file_name);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0') continue;
        if (request_count == room) {
            room = room ? room * 2 : 1024;
            requests = realloc(requests, (size_t)room * sizeof *requests);
            if (requests == NULL) give_up("realloc");
        }
        requests[request_count++] = make(line);
    }
    fclose(file);
    if (request_count == 0) { fprintf(stderr, "no paths in %s\n", file_name); exit(2); }
}

#endif
