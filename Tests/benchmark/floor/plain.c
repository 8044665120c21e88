/*
 * Plain libfcgi, as its examples use it: threads that call FCGX_Accept_r in a loop, one connection for each request.
 *
 *     plain SOCKET ANSWER_FILE PROCESSES THREADS
 */
#include "answer.h"
#include <pthread.h>

static struct answer answer;
static int listener, threads;

static void *answer_requests(void *unused)
{
    FCGX_Request request;
    (void)unused;
    FCGX_InitRequest(&request, listener, 0);
    while (FCGX_Accept_r(&request) == 0) {
        FCGX_PutStr(answer.bytes, answer.length, request.out);
        FCGX_Finish_r(&request);
    }
    return NULL;
}

static void serve(void)
{
    sigset_t ends;
    int index;
    FCGX_Init();
    signal(SIGTERM, SIG_DFL); /* FCGX_Init installs a handler of its own */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &ends, NULL);
    for (index = 0; index < threads; index++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, answer_requests, NULL) != 0) give_up("pthread_create");
    }
    pause();
}

int main(int count, char **words)
{
    if (count != 5) {
        fprintf(stderr, "usage: plain SOCKET ANSWER_FILE PROCESSES THREADS\n");
        return 2;
    }
    setpgid(0, 0);
    answer = read_answer(words[2]);
    listener = listen_at(words[1]);
    threads = atoi(words[4]);
    run_processes(atoi(words[3]), serve);
    unlink(words[1]);
    return 0;
}
