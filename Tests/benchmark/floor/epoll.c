/*
 * libfcgi on one shared epoll with kept connections: no thread belongs to a connection, and an idle connection holds none.
 *
 *     epoll SOCKET ANSWER_FILE PROCESSES THREADS [STORE KEY]
 *
 * With a store (HOST:PORT or unix:PATH) each request also asks it for the key before it answers, over a connection of its thread's own.
 *
 * The listening socket is non-blocking and waits with EPOLLEXCLUSIVE, so that one connection wakes one thread. A connection
 * waits with EPOLLONESHOT, so that one request has one thread. A ready connection is given to libfcgi as if it had accepted it.
 */
#define _GNU_SOURCE
#include "answer.h"
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static struct answer answer;
static int listener, threads, events, stop;
static const char *store, *key;

static void watch(int descriptor, uint32_t what, int operation)
{
    struct epoll_event event = {.events = what, .data.fd = descriptor};
    if (epoll_ctl(events, operation, descriptor, &event) != 0) give_up("epoll_ctl");
}

static void accept_one(void)
{
    int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection >= 0) watch(connection, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_ADD);
}

static void drain(FCGX_Stream *input)
{
    char thrown_away[4096];
    while (FCGX_GetStr(thrown_away, sizeof thrown_away, input) > 0) {}
}

static redisContext *connect_to_store(void)
{
    char host[256];
    const char *colon = strrchr(store, ':');
    redisContext *context;
    if (strncmp(store, "unix:", 5) == 0) {
        context = redisConnectUnix(store + 5);
    } else {
        snprintf(host, sizeof host, "%.*s", (int)(colon - store), store);
        context = redisConnect(host, atoi(colon + 1));
    }
    if (context == NULL || context->err) give_up("the store");
    return context;
}

static void ask(redisContext *context)
{
    redisReply *reply = redisCommand(context, "GET %s", key);
    if (reply == NULL || reply->type != REDIS_REPLY_STRING) give_up("the store has no such value");
    freeReplyObject(reply);
}

static void answer_one(FCGX_Request *request, int connection, redisContext *context)
{
    FCGX_InitRequest(request, -1, 0);
    request->ipcFd = connection;
    request->keepConnection = 1; /* FCGX_Accept_r begins by finishing the request before, which would close it */
    if (FCGX_Accept_r(request) != 0) return; /* the other side closed: libfcgi has closed ours */
    if (context != NULL) ask(context);
    FCGX_PutStr(answer.bytes, answer.length, request->out);
    drain(request->in);
    FCGX_Finish_r(request);
    if (request->ipcFd >= 0) watch(request->ipcFd, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_MOD);
}

static void *answer_requests(void *unused)
{
    FCGX_Request request;
    struct epoll_event event;
    redisContext *context = store == NULL ? NULL : connect_to_store();
    (void)unused;
    for (;;) {
        if (epoll_wait(events, &event, 1, -1) != 1) continue;
        if (event.data.fd == stop) return NULL; /* never read: it wakes every thread */
        if (event.data.fd == listener) accept_one();
        else answer_one(&request, event.data.fd, context);
    }
}

static void serve(void)
{
    pthread_t running[256];
    sigset_t ends;
    int index, received;
    uint64_t one = 1;
    FCGX_Init();
    events = epoll_create1(EPOLL_CLOEXEC);
    stop = eventfd(0, EFD_CLOEXEC);
    if (events < 0 || stop < 0) give_up("epoll_create1 or eventfd");
    watch(stop, EPOLLIN, EPOLL_CTL_ADD);
    watch(listener, EPOLLIN | EPOLLEXCLUSIVE, EPOLL_CTL_ADD);
    for (index = 0; index < threads; index++)
        if (pthread_create(&running[index], NULL, answer_requests, NULL) != 0) give_up("pthread_create");
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigwait(&ends, &received);
    if (write(stop, &one, sizeof one) != sizeof one) give_up("eventfd");
    for (index = 0; index < threads; index++) pthread_join(running[index], NULL);
}

int main(int count, char **words)
{
    if ((count != 5 && count != 7) || atoi(words[4]) > 256) {
        fprintf(stderr, "usage: epoll SOCKET ANSWER_FILE PROCESSES THREADS (at most 256) [STORE KEY]\n");
        return 2;
    }
    setpgid(0, 0);
    answer = read_answer(words[2]);
    listener = listen_at(words[1]);
    if (fcntl(listener, F_SETFL, O_NONBLOCK) != 0) give_up("fcntl");
    threads = atoi(words[4]);
    store = count == 7 ? words[5] : NULL;
    key = count == 7 ? words[6] : NULL;
    run_processes(atoi(words[3]), serve);
    unlink(words[1]);
    return 0;
}
