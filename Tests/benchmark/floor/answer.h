/* What both C responders have in common: the one answer, the socket, the processes. */
#ifndef FLOOR_ANSWER_H
#define FLOOR_ANSWER_H

#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Header lines, an empty line and the body, exactly as they go to FCGX_PutStr. */
struct answer {
    char *bytes;
    int length;
};

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static struct answer read_answer(const char *path)
{
    struct stat status;
    struct answer answer;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) != 0) give_up(path);
    answer.length = (int)status.st_size;
    answer.bytes = malloc((size_t)answer.length);
    if (answer.bytes == NULL || fread(answer.bytes, 1, (size_t)answer.length, file) != (size_t)answer.length) give_up(path);
    fclose(file);
    return answer;
}

static int listen_at(const char *path)
{
    int listener;
    unlink(path);
    listener = FCGX_OpenSocket(path, 4096);
    if (listener < 0 || chmod(path, 0666) != 0) give_up(path);
    return listener;
}

/* Runs `serve` in `count` child processes until SIGTERM; a child ends with its parent. */
static void run_processes(int count, void (*serve)(void))
{
    sigset_t ends;
    int received, index;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    for (index = 0; index < count; index++) {
        pid_t child = fork();
        if (child < 0) give_up("fork");
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve();
            _exit(0);
        }
    }
    sigwait(&ends, &received);
    kill(0, SIGTERM);
    while (wait(NULL) > 0) {}
}

#endif
