/*
 * The load generator: what it sends and reads costs so little that the server's
 * own cost shows.
 *
 *     load MODE SOCKET[,SOCKET...] [KEY=NUMBER ...]
 *
 * modes   seq     one request at a time                            ops warm
 *         pipe    batches of *depth* requests, each in one write   ops depth lines
 *         schema  query-qmp-schema, one at a time                  ops warm
 *         churn   connect, negotiate, close                        ops warm
 *         events  stop and cont, alternating, *depth* in a write;
 *                 *sessions* sessions get the events; *apart*: the one that
 *                 sends is another, at the first socket; *ahead*: so many writes
 *                 before all events of the first must have come
 *                                                 ops depth sessions apart ahead
 *         crowd   *sessions* at once, one request in flight each   ops sessions
 *         mute    *bytes* of requests sent, nothing read     bytes probes stall
 *
 * At each "phase" line on standard output it waits for a line on standard input, so
 * that its caller can look at the server's processes in between.  The last line is
 * the result, one JSON object.  A request has 38 bytes, always.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REQUEST 38
#define FIRST_ID 10000
#define PATIENCE 30 /* seconds that one read or write may take */

static const char NEGOTIATE[] = "{\"execute\":\"qmp_capabilities\"}\n";
static const char *paths[64];
static int path_count;
static char chunk[1 << 20];

struct stream {
    int fd;
    size_t used, taken;
    char *data;
    size_t room;
};

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (%s)\n", strerror(errno));
    va_end(arguments);
    exit(1);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void phase(const char *name)
{
    char line[16];
    printf("{\"phase\": \"%s\"}\n", name);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        die("the caller has gone");
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address))
        die("connect %s", path);
    return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            die("send");
        data += n;
        size -= (size_t)n;
    }
}

/* Return the next line of *stream*, ended by a zero byte; *size* may be NULL. */
static char *read_line(struct stream *stream, size_t *size)
{
    size_t searched = stream->taken;
    for (;;) {
        char *end = memchr(stream->data + searched, '\n', stream->used - searched);
        if (end) {
            char *line = stream->data + stream->taken;
            *end = 0;
            stream->taken = (size_t)(end - stream->data) + 1;
            if (size)
                *size = (size_t)(end - line) + 1;
            return line;
        }
        stream->used -= stream->taken;
        memmove(stream->data, stream->data + stream->taken, stream->used);
        stream->taken = 0;
        searched = stream->used;
        if (stream->room - stream->used < 65536) {
            stream->room = stream->room * 2 + 131072;
            if (!(stream->data = realloc(stream->data, stream->room)))
                die("memory");
        }
        ssize_t n = recv(stream->fd, stream->data + stream->used,
                         stream->room - stream->used, 0);
        if (n <= 0)
            die("the server closed or fell silent");
        stream->used += (size_t)n;
    }
}

/* Return the next reply of *stream*, passing over events, which are short. */
static char *read_reply(struct stream *stream, size_t *size)
{
    size_t length;
    for (;;) {
        char *line = read_line(stream, &length);
        if (size)
            *size = length;
        if (length > 1000 || !strstr(line, "\"event\""))
            return line;
    }
}

static void open_stream(struct stream *stream, const char *path)
{
    stream->fd = dial(path);
    stream->used = stream->taken = 0;
    if (!strstr(read_reply(stream, NULL), "\"QMP\""))
        die("no greeting");
    send_all(stream->fd, NEGOTIATE, sizeof NEGOTIATE - 1);
    if (!strstr(read_reply(stream, NULL), "\"return\""))
        die("negotiation refused");
}

static void check_id(const char *line, long expected)
{
    const char *id = strstr(line, "\"id\": ");
    if (!id || strtol(id + 6, NULL, 10) != expected || !strstr(line, "\"return\""))
        die("expected the reply to %ld, got %.200s", expected, line);
}

/* With a newline the id has five digits, without one six: 38 bytes both. */
static long write_request(char *at, long number, int lines)
{
    char text[64];
    long id = lines ? FIRST_ID + number % 90000 : 10 * FIRST_ID + number % 900000;
    snprintf(text, sizeof text, "{\"execute\":\"query-status\",\"id\":%ld}%s", id,
             lines ? "\n" : "");
    memcpy(at, text, REQUEST);
    return id;
}

static int ascending(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void result(long ops, int64_t wall, int64_t *times, long count,
                   const char *format, ...)
{
    va_list arguments;
    phase("done");
    va_start(arguments, format);
    printf("{\"ops\": %ld, \"wall_ns\": %lld", ops, (long long)wall);
    if (count) {
        qsort(times, (size_t)count, sizeof *times, ascending);
        printf(", \"p50_ns\": %lld, \"p99_ns\": %lld, \"max_ns\": %lld",
               (long long)times[count / 2], (long long)times[count * 99 / 100],
               (long long)times[count - 1]);
    }
    vprintf(format, arguments);
    printf("}\n");
    fflush(stdout);
    va_end(arguments);
}

static int64_t *new_times(long count)
{
    int64_t *times = calloc((size_t)count + 1, sizeof *times);
    if (!times)
        die("memory");
    return times;
}

static void one_at_a_time(long ops, long warm, int schema)
{
    struct stream stream = {0};
    int64_t *times = new_times(ops), start = 0;
    size_t size = 0;
    open_stream(&stream, paths[0]);
    for (long i = -warm; i < ops; i++) {
        char request[64];
        size_t length = REQUEST;
        long id = write_request(request, i + warm, 1);
        if (schema)
            length = (size_t)sprintf(
                request, "{\"execute\":\"query-qmp-schema\",\"id\":%ld}\n", id);
        if (i == 0) {
            phase("ready");
            start = now();
        }
        int64_t sent = now();
        send_all(stream.fd, request, length);
        char *line = read_reply(&stream, &size);
        if (i >= 0)
            times[i] = now() - sent;
        if (!schema)
            check_id(line, id);
        else if (size < 1000) /* the reply is too long to search it for its id */
            die("expected a schema, got %s", line);
    }
    result(ops, now() - start, times, ops, ", \"reply_bytes\": %zu", size);
}

static void pipeline(long ops, long depth, int lines)
{
    struct stream stream = {0};
    char *batch = malloc((size_t)depth * REQUEST + 64);
    long batches = ops / depth;
    int64_t *times = new_times(batches), start = 0;
    if (!batch)
        die("memory");
    open_stream(&stream, paths[0]);
    for (long i = -2; i < batches; i++) {
        long first = 0;
        for (long k = 0; k < depth; k++) {
            long id = write_request(batch + k * REQUEST, (i + 2) * depth + k, lines);
            first = k ? first : id;
        }
        if (i == 0) {
            phase("ready");
            start = now();
        }
        int64_t sent = now();
        send_all(stream.fd, batch, (size_t)depth * REQUEST);
        for (long k = 0; k < depth; k++) {
            long expected = lines ? FIRST_ID + (first - FIRST_ID + k) % 90000
                                  : 10 * FIRST_ID + (first - 10 * FIRST_ID + k) % 900000;
            check_id(read_reply(&stream, NULL), expected);
        }
        if (i >= 0)
            times[i] = now() - sent;
    }
    result(batches * depth, now() - start, times, batches, "%s", "");
}

static void churn(long ops, long warm)
{
    struct stream stream = {0};
    int64_t *times = new_times(ops), start = 0;
    for (long i = -warm; i < ops; i++) {
        if (i == 0) {
            phase("ready");
            start = now();
        }
        int64_t sent = now();
        open_stream(&stream, paths[0]);
        close(stream.fd);
        if (i >= 0)
            times[i] = now() - sent;
    }
    result(ops, now() - start, times, ops, "%s", "");
}

/* Open sessions at all sockets in turn; *apart*: the first at the first, no other. */
static int *open_crowd(long count, int poller, int apart)
{
    int *fds = calloc((size_t)count, sizeof *fds);
    struct stream stream = {0};
    if (!fds)
        die("memory");
    for (long i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
        open_stream(&stream, paths[apart ? i > 0 : i % path_count]);
        fds[i] = stream.fd;
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event))
            die("epoll");
    }
    return fds;
}

/* Read all sessions until *expected* more lines have come, or *quiet* ms passed. */
static long collect(int poller, const int *fds, long expected, int quiet)
{
    struct epoll_event events[512];
    long lines = 0;
    while (lines < expected) {
        int n = epoll_wait(poller, events, 512, quiet);
        if (n == 0)
            return lines;
        for (int i = 0; i < n; i++) {
            ssize_t size = recv(fds[events[i].data.u64], chunk, sizeof chunk, 0);
            if (size <= 0)
                die("a session was closed");
            for (char *at = chunk, *end = chunk + size;
                 (at = memchr(at, '\n', (size_t)(end - at))); at++)
                lines++;
        }
    }
    return lines;
}

static void events(long ops, long depth, long sessions, int apart, long ahead)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    long told = sessions;
    int *fds = open_crowd(sessions += apart, poller, apart);
    char *batch = malloc((size_t)depth * 64);
    long batches = ops / depth, owed = 0;
    size_t size = 0;
    int64_t start = 0;
    static const char CONT[] = "{\"execute\":\"cont\"}\n";
    if (!batch)
        die("memory");
    for (long k = 0; k < depth; k++)
        size += (size_t)sprintf(batch + size, "{\"execute\":\"%s\",\"id\":%ld}\n",
                                k % 2 ? "cont" : "stop", FIRST_ID + k);
    send_all(fds[0], CONT, sizeof CONT - 1); /* whatever state it was in */
    collect(poller, fds, sessions + 1, 300);
    for (long i = -1; i < batches; i++) {
        long expected = depth + depth * sessions;
        long wait = i < 0 || i == batches - 1 ? 0 : ahead * expected;
        if (i == 0) {
            phase("ready");
            start = now();
        }
        send_all(fds[0], batch, size);
        owed += expected;
        if (owed > wait)
            owed -= collect(poller, fds, owed - wait, 10000);
        if (owed > wait || owed < 0)
            die("%ld lines too few, or too many", owed);
    }
    result(batches * depth * told, now() - start, NULL, 0, ", \"commands\": %ld",
           batches * depth);
}

static void crowd(long ops, long sessions)
{
    struct epoll_event events[512];
    char request[64];
    int poller = epoll_create1(EPOLL_CLOEXEC);
    long *served = calloc((size_t)sessions, sizeof *served), sent = 0, got = 0;
    if (!served)
        die("memory");
    phase("empty");
    int64_t start = now();
    int *fds = open_crowd(sessions, poller, 0);
    int64_t opened = now() - start;
    phase("open");
    start = now();
    for (; sent < sessions; sent++) {
        write_request(request, sent, 1);
        send_all(fds[sent], request, REQUEST);
    }
    while (got < ops) {
        int n = epoll_wait(poller, events, 512, PATIENCE * 1000);
        if (n <= 0)
            die("no reply");
        for (int i = 0; i < n; i++) {
            uint64_t who = events[i].data.u64;
            ssize_t size = recv(fds[who], chunk, sizeof chunk - 1, 0);
            if (size <= 0)
                die("a session was closed");
            chunk[size] = 0;
            if (chunk[size - 1] != '\n' || !strstr(chunk, "\"return\""))
                die("odd reply %.200s", chunk);
            got++;
            served[who]++;
            if (sent < ops) {
                write_request(request, sent++, 1);
                send_all(fds[who], request, REQUEST);
            }
        }
    }
    int64_t wall = now() - start;
    long least = served[0], most = served[0];
    for (long i = 0; i < sessions; i++) {
        least = served[i] < least ? served[i] : least;
        most = served[i] > most ? served[i] : most;
    }
    result(ops, wall, NULL, 0,
           ", \"sessions\": %ld, \"open_ns\": %lld, \"least\": %ld, \"most\": %ld",
           sessions, (long long)opened, least, most);
}

/* Measure how long another session waits for its replies. */
static void probe(struct stream *other, int64_t *times, long probes)
{
    char request[64];
    for (long i = 0; i < probes; i++) {
        int64_t sent = now();
        long id = write_request(request, i, 1);
        send_all(other->fd, request, REQUEST);
        check_id(read_reply(other, NULL), id);
        times[i] = now() - sent;
    }
}

static void mute(long bytes, long probes, int64_t stall)
{
    struct stream stream = {0}, other = {0};
    int64_t *times = new_times(probes);
    long requests = bytes / REQUEST;
    size_t total = (size_t)requests * REQUEST, sent = 0, refused = 0;
    char *text = malloc(total + 64);
    if (!text)
        die("memory");
    for (long i = 0; i < requests; i++)
        write_request(text + i * REQUEST, i, 1);
    open_stream(&other, paths[path_count > 1]);
    open_stream(&stream, paths[0]);
    probe(&other, times, probes); /* warms up */
    phase("empty");
    for (int64_t last = now(); sent < total && now() - last < stall;) {
        struct pollfd writable = {.fd = stream.fd, .events = POLLOUT};
        if (poll(&writable, 1, 100) <= 0)
            continue;
        ssize_t n = send(stream.fd, text + sent, total - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
            last = now();
        }
    }
    refused = total - sent;
    phase("stalled");
    probe(&other, times, probes);
    phase("probed");
    int64_t start = now();
    for (long got = 0; got < requests;) { /* now read, and send the rest */
        struct pollfd ready = {.fd = stream.fd,
                               .events = sent < total ? POLLIN | POLLOUT : POLLIN};
        if (poll(&ready, 1, PATIENCE * 1000) <= 0)
            die("stuck after %ld replies", got);
        if (sent < total && ready.revents & POLLOUT) {
            ssize_t n = send(stream.fd, text + sent, total - sent,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
        if (ready.revents & POLLIN) {
            do {
                check_id(read_reply(&stream, NULL), FIRST_ID + got++ % 90000);
            } while (got < requests &&
                     memchr(stream.data + stream.taken, '\n',
                            stream.used - stream.taken));
        }
    }
    result(requests, now() - start, times, probes,
           ", \"sent_bytes\": %zu, \"refused_bytes\": %zu", total - refused, refused);
}

static long option(int argc, char **argv, const char *name, long otherwise)
{
    size_t size = strlen(name);
    for (int i = 3; i < argc; i++)
        if (!strncmp(argv[i], name, size) && argv[i][size] == '=')
            return strtol(argv[i] + size + 1, NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    if (argc < 3)
        die("usage: load MODE SOCKET[,SOCKET...] [KEY=NUMBER ...]");
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    alarm(120);
    for (char *path = strtok(argv[2], ","); path && path_count < 64;
         path = strtok(NULL, ","))
        paths[path_count++] = path;
    const char *mode = argv[1];
    long ops = option(argc, argv, "ops", 1000);
    long warm = option(argc, argv, "warm", 50);
    long depth = option(argc, argv, "depth", 64);
    long sessions = option(argc, argv, "sessions", 1);
    if (!strcmp(mode, "seq"))
        one_at_a_time(ops, warm, 0);
    else if (!strcmp(mode, "schema"))
        one_at_a_time(ops, warm, 1);
    else if (!strcmp(mode, "pipe"))
        pipeline(ops, depth, option(argc, argv, "lines", 1) != 0);
    else if (!strcmp(mode, "churn"))
        churn(ops, warm);
    else if (!strcmp(mode, "events"))
        events(ops, depth, sessions, option(argc, argv, "apart", 0) && path_count > 1,
               option(argc, argv, "ahead", 0));
    else if (!strcmp(mode, "crowd"))
        crowd(ops, sessions);
    else if (!strcmp(mode, "mute"))
        mute(option(argc, argv, "bytes", 2700000), option(argc, argv, "probes", 200),
             option(argc, argv, "stall", 500) * 1000000LL);
    else
        die("no such mode: %s", mode);
    return 0;
}
