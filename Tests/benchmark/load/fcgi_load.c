/*
 * FastCGI load straight to a Unix socket, from one thread: what a responder does without nginx before it.
 *
 *     fcgi_load -a SOCKET -u FILE [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS] [-1] [-P NAME=VALUE]
 *
 * FILE holds one path a line; they are asked in order, round and round. Each connection asks again as soon as it has its
 * answer (closed load). Connections are kept (FCGI_KEEP_CONN), or with -1 made anew for each request. -P adds a parameter.
 * Prints what http_load prints. FastCGI 1.0, sections 3.3 to 5.5.
 */
#define _GNU_SOURCE
#include "requests.h"
#include <fastcgi.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEADER = FCGI_HEADER_LEN, BUFFER = 1 << 17, PARAMETERS = 1 << 14 };

struct connection {
    int descriptor;
    uint64_t since;       /* when the request under way was sent */
    size_t filled;
    bool headed;          /* the head of this answer was counted */
    char buffer[BUFFER];  /* of an answer, its whole records */
};

static struct {
    const char *socket, *paths_file, *extra[32];
    int connections, extras;
    double seconds;
    long limit;
    bool once;
} options = {.connections = 32, .seconds = 3, .limit = -1};

static int events;
static uint64_t end;

static size_t put_record(char *to, int type, const char *content, size_t length)
{
    memcpy(to, (char[]){FCGI_VERSION_1, (char)type, 0, 1, (char)(length >> 8), (char)length, 0, 0}, HEADER);
    memcpy(to + HEADER, content, length);
    return HEADER + length;
}

static size_t put_length(char *to, size_t length)
{
    if (length < 128) { to[0] = (char)length; return 1; }
    memcpy(to, (char[]){(char)(length >> 24 | 0x80), (char)(length >> 16), (char)(length >> 8), (char)length}, 4);
    return 4;
}

static size_t put_parameter(char *to, const char *name, size_t name_length, const char *value)
{
    size_t value_length = strlen(value), at;
    if (name_length + value_length > PARAMETERS / 4) { fprintf(stderr, "a parameter too long\n"); exit(2); }
    at = put_length(to, name_length);
    at += put_length(to + at, value_length);
    memcpy(to + at, name, name_length);
    memcpy(to + at + name_length, value, value_length);
    return at + name_length + value_length;
}

static size_t put_parameters(char *to, const char *path)
{
    const char *const usual[][2] = {{"REQUEST_METHOD", "GET"}, {"DOCUMENT_URI", path}, {"QUERY_STRING", ""}, {"SERVER_PROTOCOL", "HTTP/1.1"},
                                    {"CONTENT_LENGTH", ""}, {"REMOTE_ADDR", "127.0.0.1"}, {"HTTP_HOST", "127.0.0.1"}};
    size_t at = 0;
    for (size_t index = 0; index < sizeof usual / sizeof *usual; index++)
        at += put_parameter(to + at, usual[index][0], strlen(usual[index][0]), usual[index][1]);
    for (int index = 0; index < options.extras && at < PARAMETERS / 2; index++) {
        const char *equals = strchr(options.extra[index], '=');
        at += put_parameter(to + at, options.extra[index], (size_t)(equals - options.extra[index]), equals + 1);
    }
    return at;
}

static struct request make_request(const char *path)
{
    char parameters[PARAMETERS], bytes[PARAMETERS + 64];
    size_t at = put_record(bytes, FCGI_BEGIN_REQUEST, (char[]){0, FCGI_RESPONDER, options.once ? 0 : FCGI_KEEP_CONN, 0, 0, 0, 0, 0}, 8);
    at += put_record(bytes + at, FCGI_PARAMS, parameters, put_parameters(parameters, path));
    at += put_record(bytes + at, FCGI_PARAMS, "", 0);
    at += put_record(bytes + at, FCGI_STDIN, "", 0);
    struct request request = {.bytes = malloc(at), .length = at};
    if (request.bytes == NULL) give_up("malloc");
    memcpy(request.bytes, bytes, at);
    return request;
}

static void open_connection(struct connection *connection)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    strncpy(address.sun_path, options.socket, sizeof address.sun_path - 1);
    connection->descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connection->descriptor < 0 || connect(connection->descriptor, (struct sockaddr *)&address, sizeof address) != 0) give_up("connect");
    if (epoll_ctl(events, EPOLL_CTL_ADD, connection->descriptor, &event) != 0) give_up("epoll_ctl");
}

static void ask(struct connection *connection)
{
    const struct request *request = &requests[figures.sent++ % request_count];
    connection->since = now();
    connection->filled = 0;
    connection->headed = false;
    if (write(connection->descriptor, request->bytes, request->length) != (ssize_t)request->length) give_up("write");
}

static void count_head(struct connection *connection, const unsigned char *record, size_t length)
{
    char head[4096];
    size_t size = length < sizeof head - 1 ? length : sizeof head - 1;
    memcpy(head, record + HEADER, size);
    head[size] = '\0';
    char *body = strstr(head, "\r\n\r\n");
    if (body != NULL) *body = '\0';
    const char *status = field(head, "Status:");
    note_head(status != NULL ? atoi(status) : 200, head);
    connection->headed = true;
}

/* Whether the answer in the buffer is whole. Walks its records. */
static bool is_whole(struct connection *connection)
{
    const unsigned char *bytes = (const unsigned char *)connection->buffer;
    for (size_t at = 0; at + HEADER <= connection->filled;) {
        size_t length = (size_t)bytes[at + 4] << 8 | bytes[at + 5], whole = HEADER + length + bytes[at + 6];
        if (at + whole > connection->filled) return false;
        if (bytes[at + 1] == FCGI_STDOUT && !connection->headed) count_head(connection, bytes + at, length);
        if (bytes[at + 1] == FCGI_END_REQUEST) return true;
        at += whole;
    }
    return false;
}

static bool may_ask(void)
{
    return now() < end && (options.limit < 0 || figures.sent < options.limit);
}

/* Reads what has come. False when this connection has nothing more to do. */
static bool receive(struct connection *connection)
{
    ssize_t got = read(connection->descriptor, connection->buffer + connection->filled, BUFFER - connection->filled);
    if (got <= 0) {
        fprintf(stderr, "a connection ended in the middle of an answer, or an answer is over %d bytes\n", BUFFER);
        exit(1);
    }
    connection->filled += (size_t)got;
    figures.bytes += got;
    if (!is_whole(connection)) return true;
    note_latency(connection->since);
    if (options.once) {
        close(connection->descriptor);
        if (may_ask()) open_connection(connection);
    }
    if (!may_ask()) return false;
    ask(connection);
    return true;
}

static void run(struct connection *connections)
{
    struct epoll_event ready[256];
    uint64_t start = now();
    int working = options.connections;
    end = start + (uint64_t)(options.seconds * 1e9);
    for (int index = 0; index < options.connections; index++) ask(&connections[index]);
    while (working > 0) {
        int count = epoll_wait(events, ready, 256, 30000);
        if (count == 0) { figures.broken = working; break; }
        for (int index = 0; index < count; index++) working -= !receive(ready[index].data.ptr);
    }
    print_figures((double)(now() - start) / 1e9);
}

static void read_options(int count, char **words)
{
    for (int letter; (letter = getopt(count, words, "a:u:c:d:n:1P:")) != -1;) switch (letter) {
        case 'a': options.socket = optarg; break;
        case 'u': options.paths_file = optarg; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'n': options.limit = atol(optarg); break;
        case '1': options.once = true; break;
        case 'P':
            if (strchr(optarg, '=') == NULL || options.extras == 32) { fprintf(stderr, "-P NAME=VALUE, at most 32\n"); exit(2); }
            options.extra[options.extras++] = optarg;
            break;
        default: exit(2);
    }
    if (options.socket == NULL || options.paths_file == NULL || options.connections < 1 || (options.limit >= 0 && options.limit < options.connections)) {
        fprintf(stderr, "usage: fcgi_load -a SOCKET -u FILE [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS] [-1] [-P NAME=VALUE]\n");
        exit(2);
    }
}

int main(int count, char **words)
{
    read_options(count, words);
    read_requests(options.paths_file, make_request);
    events = epoll_create1(0);
    struct connection *connections = calloc((size_t)options.connections, sizeof *connections);
    if (events < 0 || connections == NULL) give_up("set-up");
    for (int index = 0; index < options.connections; index++) open_connection(&connections[index]);
    run(connections);
    return 0;
}
