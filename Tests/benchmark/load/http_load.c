/*
 * HTTP load over kept connections, from one thread.
 *
 *     http_load -p PORT -u FILE [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS] [-r RATE] [-H 'Name: value'] [-s FIRST]
 *
 * FILE holds one path a line; they are asked in order, round and round, beginning with line FIRST.
 *
 * With -r the load is open: request k is due at start + k / RATE, and its latency counts from that instant also when no
 * connection was free to send it on, so that a stall is seen by every request that it held up (wrk, which waits for answers
 * before it asks again, sees it once for each connection). Without -r each connection asks again as soon as it has its answer.
 *
 * Prints one JSON object: requests sent and answered, by status and by the tier that Cache-Status names; broken connections;
 * the longest queue of due requests; latencies in microseconds.
 */
#define _GNU_SOURCE
#include "requests.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 65536 };

struct connection {
    int descriptor;
    bool busy;
    uint64_t due;   /* of the request under way, nanoseconds of CLOCK_MONOTONIC */
    size_t filled;  /* bytes of the answer's head in `buffer`, or read at all once `rest` is known */
    long rest;      /* bytes of the body still to come; -1 while the head is not whole */
    char buffer[BUFFER];
};

static struct {
    int port, connections;
    double seconds, rate;
    long limit, first;
    const char *paths_file;
    char headers[8192];
} options = {.connections = 32, .seconds = 3, .limit = -1};

static struct connection *connections;
static struct connection **idle; /* a ring: the one that rested longest is used next, so that all are used alike */
static int idle_first, idle_count, events;

static struct request make_request(const char *path)
{
    struct request request;
    int length = asprintf(&request.bytes, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, options.port, options.headers);
    if (length < 0) give_up("asprintf");
    request.length = (size_t)length;
    return request;
}

static void rest_connection(struct connection *connection)
{
    connection->busy = false;
    idle[(idle_first + idle_count++) % options.connections] = connection;
}

static void open_connection(struct connection *connection)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    connection->descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->descriptor < 0 || connect(connection->descriptor, (struct sockaddr *)&address, sizeof address) != 0) give_up("connect");
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection->descriptor, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(events, EPOLL_CTL_ADD, connection->descriptor, &event) != 0) give_up("epoll_ctl");
}

static void break_connection(struct connection *connection)
{
    if (connection->busy) figures.broken++;
    close(connection->descriptor);
    open_connection(connection);
    if (connection->busy) rest_connection(connection);
}

static void send_next(uint64_t due)
{
    struct connection *connection = idle[idle_first];
    const struct request *request = &requests[(options.first + figures.sent) % request_count];
    idle_first = (idle_first + 1) % options.connections;
    idle_count--;
    connection->busy = true;
    connection->due = due;
    connection->filled = 0;
    connection->rest = -1;
    figures.sent++;
    /* A request fits an empty socket buffer: a short write means that something is wrong. */
    if (write(connection->descriptor, request->bytes, request->length) != (ssize_t)request->length) break_connection(connection);
}

/* False when the head is not whole yet. Chunked answers are not understood: none of the contenders sends any. */
static bool read_head(struct connection *connection)
{
    char *end = memmem(connection->buffer, connection->filled, "\r\n\r\n", 4);
    if (end == NULL) return false;
    *end = '\0';
    int status = connection->filled > 12 ? atoi(connection->buffer + 9) : 0;
    const char *length = field(connection->buffer, "Content-Length:");
    if (length == NULL && status != 204 && status != 304) {
        fprintf(stderr, "an answer without Content-Length:\n%s\n", connection->buffer);
        exit(1);
    }
    note_head(status, connection->buffer);
    connection->rest = (length ? atol(length) : 0) - (long)(connection->filled - (size_t)(end + 4 - connection->buffer));
    return true;
}

/* Reads what has come. True when the answer is whole, or the connection broke and is new. */
static bool receive(struct connection *connection)
{
    for (;;) {
        bool in_head = connection->rest < 0;
        char *to = in_head ? connection->buffer + connection->filled : connection->buffer;
        size_t room = in_head ? BUFFER - 1 - connection->filled : BUFFER;
        ssize_t got = read(connection->descriptor, to, room);
        if (got < 0 && errno == EAGAIN) return false;
        if (got <= 0) { break_connection(connection); return true; }
        figures.bytes += got;
        if (in_head) {
            connection->filled += (size_t)got;
            connection->buffer[connection->filled] = '\0';
            if (!read_head(connection)) {
                if (connection->filled == BUFFER - 1) { fprintf(stderr, "a head over 64 KiB\n"); exit(1); }
                continue;
            }
        } else connection->rest -= got;
        if (connection->rest > 0) continue;
        if (connection->busy) { note_latency(connection->due); rest_connection(connection); }
        return true;
    }
}

/* When the next request is due. Without a rate: now. */
static uint64_t next_due(uint64_t start)
{
    return options.rate > 0 ? start + (uint64_t)((double)figures.sent / options.rate * 1e9) : now();
}

/* Whether every request that is due before `end`, or as many as were asked for, has been sent. */
static bool all_sent(uint64_t due, uint64_t end)
{
    return due >= end || (options.limit >= 0 && figures.sent >= options.limit);
}

/* Sends what is due on idle connections; returns when the next one is due. */
static uint64_t send_due(uint64_t start, uint64_t end)
{
    for (;;) {
        uint64_t due = next_due(start), time = now();
        if (all_sent(due, end) || due > time) return due;
        long queue = (long)((double)(time - due) / 1e9 * options.rate);
        if (queue > figures.longest_queue) figures.longest_queue = queue;
        if (idle_count == 0) return due;
        send_next(due);
    }
}

static struct timespec from_now(uint64_t instant)
{
    uint64_t time = now(), pause = instant > time ? instant - time : 0;
    return (struct timespec){.tv_sec = (time_t)(pause / 1000000000u), .tv_nsec = (long)(pause % 1000000000u)};
}

static void run(void)
{
    struct epoll_event ready[256];
    uint64_t start = now(), end = start + (uint64_t)(options.seconds * 1e9), patience = end + 30000000000u;
    for (;;) {
        uint64_t due = send_due(start, end);
        bool sending = !all_sent(due, end);
        if (!sending && idle_count == options.connections) break;
        if (now() > patience) { figures.broken += options.connections - idle_count; break; }
        struct timespec pause = from_now(sending && idle_count > 0 ? due : patience);
        int count = epoll_pwait2(events, ready, 256, &pause, NULL);
        if (count < 0 && errno != EINTR) give_up("epoll_pwait2");
        for (int index = 0; index < count; index++) receive(ready[index].data.ptr);
    }
    print_figures((double)(now() - start) / 1e9);
}

static void read_options(int count, char **words)
{
    for (int letter; (letter = getopt(count, words, "p:u:c:d:n:r:H:s:")) != -1;) switch (letter) {
        case 'p': options.port = atoi(optarg); break;
        case 'u': options.paths_file = optarg; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'n': options.limit = atol(optarg); options.seconds = options.seconds == 3 ? 86400 : options.seconds; break;
        case 'r': options.rate = atof(optarg); break;
        case 's': options.first = atol(optarg); break;
        case 'H':
            if (strlen(options.headers) + strlen(optarg) + 3 > sizeof options.headers) { fprintf(stderr, "headers too long\n"); exit(2); }
            strcat(strcat(options.headers, optarg), "\r\n");
            break;
        default: exit(2);
    }
    if (options.port == 0 || options.paths_file == NULL || options.connections < 1) {
        fprintf(stderr, "usage: http_load -p PORT -u FILE [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS] [-r RATE] [-H HEADER] [-s FIRST]\n");
        exit(2);
    }
}

int main(int count, char **words)
{
    read_options(count, words);
    read_requests(options.paths_file, make_request);
    prctl(PR_SET_TIMERSLACK, 1);
    events = epoll_create1(0);
    connections = calloc((size_t)options.connections, sizeof *connections);
    idle = calloc((size_t)options.connections, sizeof *idle);
    if (events < 0 || connections == NULL || idle == NULL) give_up("set-up");
    for (int index = 0; index < options.connections; index++) {
        open_connection(&connections[index]);
        rest_connection(&connections[index]);
    }
    run();
    return 0;
}
