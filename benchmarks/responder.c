/*
 * A bare QMP responder: what a server costs that does nothing but answer.
 *
 *     responder SOCKET [SCHEMA_FILE]
 *
 * One thread, epoll, unix socket.  It frames by counting brackets outside of
 * strings, looks at three members of each request (execute, arguments, id) and
 * writes a fixed reply with the id copied.  It checks nothing: it is the yardstick
 * of the benchmarks, not a monitor.
 *
 * Commands: qmp_capabilities, query-status, query-name, query-commands,
 * query-qmp-schema (the text of SCHEMA_FILE), stop and cont (an event to every
 * session that has negotiated), burst (1,000 events to the caller), echo (its own
 * arguments), fail (an error reply).  All else is CommandNotFound.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK (256 * 1024)
#define BURST 1000

struct buffer {
    char *data;
    size_t used, room;
};

struct session {
    int fd;
    unsigned negotiated : 1, in_string : 1, escaped : 1, dirty : 1, blocked : 1;
    int depth;
    struct buffer in, out; /* an unfinished request; what could not be sent yet */
    struct session *next_dirty, *previous, *next;
};

struct span {
    const char *start;
    size_t size;
};

static const char GREETING[] =
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, "
    "\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";
static const char STATUS[] =
    "{\"return\": {\"status\": \"running\", \"singlestep\": false, "
    "\"running\": true}";
static const char COMMANDS[] =
    "{\"return\": [{\"name\": \"query-status\"}, {\"name\": \"query-name\"}, "
    "{\"name\": \"query-commands\"}, {\"name\": \"stop\"}, {\"name\": \"cont\"}]";
static const char FAILURE[] =
    "{\"error\": {\"class\": \"DeviceNotFound\", "
    "\"desc\": \"Device 'foobar' not found\"}";
static const char UNKNOWN[] =
    "{\"error\": {\"class\": \"CommandNotFound\", "
    "\"desc\": \"The command has not been found\"}";
static const char STOP_EVENT[] =
    "{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 123456}, "
    "\"event\": \"STOP\"}\r\n";
static const char RESUME_EVENT[] =
    "{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 123456}, "
    "\"event\": \"RESUME\"}\r\n";

static struct buffer schema;
static struct session *sessions, *dirty;
static int poller;

static void *must(void *memory)
{
    if (!memory) {
        perror("responder: memory");
        exit(1);
    }
    return memory;
}

static void put(struct buffer *buffer, const char *data, size_t size)
{
    if (buffer->used + size > buffer->room) {
        buffer->room = (buffer->used + size) * 2;
        buffer->data = must(realloc(buffer->data, buffer->room));
    }
    memcpy(buffer->data + buffer->used, data, size);
    buffer->used += size;
}

static void clear(struct buffer *buffer)
{
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

static void say(struct session *session, const char *data, size_t size)
{
    put(&session->out, data, size);
    if (!session->dirty) {
        session->dirty = 1;
        session->next_dirty = dirty;
        dirty = session;
    }
}

static void watch(struct session *session, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = session};
    epoll_ctl(poller, operation, session->fd, &event);
}

static void hang_up(struct session *session)
{
    struct session **link = &dirty;
    while (*link && *link != session)
        link = &(*link)->next_dirty;
    if (*link)
        *link = session->next_dirty;
    if (session->previous)
        session->previous->next = session->next;
    else
        sessions = session->next;
    if (session->next)
        session->next->previous = session->previous;
    close(session->fd);
    clear(&session->in);
    clear(&session->out);
    free(session);
}

/* Send what is due; while some of it cannot be sent, read nothing more. */
static int flush(struct session *session)
{
    size_t sent = 0;
    while (sent < session->out.used) {
        ssize_t n = send(session->fd, session->out.data + sent,
                         session->out.used - sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return -1;
            break;
        }
        sent += (size_t)n;
    }
    session->out.used -= sent;
    memmove(session->out.data, session->out.data + sent, session->out.used);
    int blocked = session->out.used > 0;
    if (blocked != session->blocked) {
        session->blocked = (unsigned)blocked & 1;
        watch(session, blocked ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
    if (!blocked && session->out.room > 8192)
        clear(&session->out);
    return 0;
}

static const char *skip_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

/* Return the end of the JSON value that begins at *at*. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            for (at++; at < end && *at != '"'; at++)
                if (*at == '\\')
                    at++;
            at++;
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at;
            depth--;
            at++;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\r' || c == '\n')) {
            return at;
        } else {
            at++;
            continue; /* inside a number or a word */
        }
        if (depth == 0)
            return at;
    }
    return end;
}

static int is(struct span span, const char *text)
{
    size_t size = strlen(text);
    return span.size == size && !memcmp(span.start, text, size);
}

/* Find the three members of the request that matter. */
static void dissect(const char *at, const char *end, struct span found[3])
{
    static const char *const NAMES[3] = {"\"execute\"", "\"arguments\"", "\"id\""};
    at = skip_blank(at, end) + 1;
    while (at < end) {
        struct span key, value;
        key.start = skip_blank(at, end);
        if (key.start >= end || *key.start != '"')
            return;
        at = skip_value(key.start, end);
        key.size = (size_t)(at - key.start);
        at = skip_blank(at, end) + 1; /* the colon */
        value.start = skip_blank(at, end);
        at = skip_value(value.start, end);
        value.size = (size_t)(at - value.start);
        for (int i = 0; i < 3; i++)
            if (is(key, NAMES[i]))
                found[i] = value;
        at = skip_blank(at, end) + 1; /* the comma or the last bracket */
    }
}

static void reply(struct session *session, const char *data, size_t size,
                  struct span id)
{
    say(session, data, size);
    if (id.size) {
        say(session, ", \"id\": ", 8);
        say(session, id.start, id.size);
    }
    say(session, "}\r\n", 3);
}

static void broadcast(const char *event, size_t size)
{
    for (struct session *each = sessions; each; each = each->next)
        if (each->negotiated)
            say(each, event, size);
}

static void burst(struct session *session)
{
    char text[192];
    for (int i = 0; i < BURST; i++) {
        int size = snprintf(text, sizeof text,
                            "{\"timestamp\": {\"seconds\": 1700000000, "
                            "\"microseconds\": %d}, \"event\": \"BLOCK_JOB_READY\", "
                            "\"data\": {\"device\": \"drive0\", \"offset\": %d}}\r\n",
                            i, i * 65536);
        say(session, text, (size_t)size);
    }
}

static void answer(struct session *session, const char *start, const char *end)
{
    struct span found[3] = {{0}};
    dissect(start, end, found);
    struct span name = found[0], arguments = found[1], id = found[2];
    if (is(name, "\"query-status\"")) {
        reply(session, STATUS, sizeof STATUS - 1, id);
    } else if (is(name, "\"qmp_capabilities\"")) {
        session->negotiated = 1;
        reply(session, "{\"return\": {}", 13, id);
    } else if (is(name, "\"query-qmp-schema\"")) {
        say(session, "{\"return\": ", 11);
        reply(session, schema.data, schema.used, id);
    } else if (is(name, "\"stop\"")) {
        broadcast(STOP_EVENT, sizeof STOP_EVENT - 1);
        reply(session, "{\"return\": {}", 13, id);
    } else if (is(name, "\"cont\"")) {
        broadcast(RESUME_EVENT, sizeof RESUME_EVENT - 1);
        reply(session, "{\"return\": {}", 13, id);
    } else if (is(name, "\"burst\"")) {
        burst(session);
        reply(session, "{\"return\": {}", 13, id);
    } else if (is(name, "\"echo\"")) {
        say(session, "{\"return\": ", 11);
        reply(session, arguments.start ? arguments.start : "{}",
              arguments.start ? arguments.size : 2, id);
    } else if (is(name, "\"fail\"")) {
        reply(session, FAILURE, sizeof FAILURE - 1, id);
    } else if (is(name, "\"query-commands\"")) {
        reply(session, COMMANDS, sizeof COMMANDS - 1, id);
    } else if (is(name, "\"query-name\"")) {
        reply(session, "{\"return\": {}", 13, id);
    } else {
        reply(session, UNKNOWN, sizeof UNKNOWN - 1, id);
    }
}

/* Answer each request that ends in *data*; keep what is left of the last one. */
static void take(struct session *session, char *data, size_t size)
{
    size_t scanned = session->in.used, begin = 0;
    if (scanned) {
        put(&session->in, data, size);
        data = session->in.data;
        size = session->in.used;
    }
    for (size_t i = scanned; i < size; i++) {
        char c = data[i];
        if (session->in_string) {
            if (session->escaped)
                session->escaped = 0;
            else if (c == '\\')
                session->escaped = 1;
            else if (c == '"')
                session->in_string = 0;
        } else if (c == '"') {
            session->in_string = 1;
        } else if (c == '{' || c == '[') {
            session->depth++;
        } else if ((c == '}' || c == ']') && --session->depth <= 0) {
            session->depth = 0;
            answer(session, data + begin, data + i + 1);
            begin = i + 1;
        }
    }
    if (session->depth == 0 && !session->in_string) {
        clear(&session->in); /* only blanks are left */
    } else if (scanned) {
        session->in.used = size - begin;
        memmove(session->in.data, session->in.data + begin, session->in.used);
    } else {
        put(&session->in, data + begin, size - begin);
    }
}

static void welcome(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct session *session = must(calloc(1, sizeof *session));
        session->fd = fd;
        session->next = sessions;
        if (sessions)
            sessions->previous = session;
        sessions = session;
        watch(session, EPOLLIN, EPOLL_CTL_ADD);
        say(session, GREETING, sizeof GREETING - 1);
    }
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "responder: path too long\n");
        exit(2);
    }
    strcpy(address.sun_path, path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) ||
        listen(fd, 1024)) {
        perror("responder: listen");
        exit(1);
    }
    return fd;
}

static void load_schema(const char *path)
{
    static char chunk[65536];
    FILE *file = fopen(path, "rb");
    size_t n;
    if (!file) {
        perror("responder: schema");
        exit(1);
    }
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        put(&schema, chunk, n);
    fclose(file);
}

int main(int argc, char **argv)
{
    static char chunk[CHUNK];
    struct epoll_event events[256];
    struct rlimit limit;
    if (argc < 2) {
        fprintf(stderr, "usage: responder SOCKET [SCHEMA_FILE]\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2)
        load_schema(argv[2]);
    else
        put(&schema, "[]", 2);
    poller = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_at(argv[1]);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct session *session = events[i].data.ptr;
            if (!session) {
                welcome(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT) {
                if (flush(session))
                    hang_up(session);
                continue;
            }
            ssize_t size = recv(session->fd, chunk, sizeof chunk, 0);
            if (size > 0)
                take(session, chunk, (size_t)size);
            else if (size == 0 || (errno != EAGAIN && errno != EINTR))
                hang_up(session);
        }
        while (dirty) {
            struct session *session = dirty;
            dirty = session->next_dirty;
            session->dirty = 0;
            if (flush(session))
                hang_up(session);
        }
    }
}
