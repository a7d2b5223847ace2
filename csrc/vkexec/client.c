/* In: what a spawn needs. Out: lines of strict JSON to a vkernel, and the fields of its lines. One connection. */
#include "vkexec/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "wire/sock.h"

enum { LINE_MAX_BYTES = 1 << 20, CONNECT_MS = 5000 };

/* ---- out */

static char line[LINE_MAX_BYTES];
static size_t line_len;
static int line_bad; /* RC_E_*'s reason to give up, once */

static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line + line_len, sizeof line - line_len, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= sizeof line - line_len) {
        line_bad = E2BIG;
    } else {
        line_len += (size_t)n;
    }
}

static void put_text(const char *text, size_t len) {
    int64_t n = rc_json_quote(text, len, line + line_len, sizeof line - line_len);
    if (n < 0) {
        line_bad = n == -1 ? E2BIG : EILSEQ;
    } else {
        line_len += (size_t)n;
    }
}

static int send_line(int socket, const int fd[3], struct rc_error *err) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } rights = {.header = {.cmsg_len = CMSG_LEN(3 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {line, line_len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (line_bad) {
        return rc_fail(err, RC_E_USAGE, 0,
                       line_bad == E2BIG ? "arguments and environment are over 1 MiB" : "text is not UTF-8");
    }
    if (fd) {
        memcpy(CMSG_DATA(&rights.header), fd, 3 * sizeof *fd);
        message.msg_control = &rights;
        message.msg_controllen = sizeof rights;
    }
    while (part.iov_len > 0) {
        ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return rc_fail(err, RC_E_RPC_CLOSED, 0, "the vkernel is gone: %s", strerror(errno));
        }
        if (sent > 0) { /* the fds ride on the first byte */
            part.iov_base = (char *)part.iov_base + sent;
            part.iov_len -= (size_t)sent;
            message.msg_control = NULL;
            message.msg_controllen = 0;
        }
    }
    return 0;
}

static void begin(void) {
    line_len = 0;
    line_bad = 0;
}

int client_spawn(int socket, int64_t id, const struct spawn *spawn, const int fd[3], struct rc_error *err) {
    begin();
    put("{\"type\":\"spawn\",\"id\":%lld,\"argv\":[", (long long)id);
    for (char **word = spawn->argv; *word; word++) {
        put(word == spawn->argv ? "" : ",");
        put_text(*word, strlen(*word));
    }
    put("],\"env\":{");
    for (char **pair = spawn->env; *pair; pair++) {
        const size_t name = strcspn(*pair, "=");
        put(pair == spawn->env ? "" : ",");
        put_text(*pair, name);
        put(":");
        put_text(*pair + name + 1, strlen(*pair + name + 1));
    }
    put("},\"cwd\":");
    put_text(spawn->cwd, strlen(spawn->cwd));
    if (spawn->hash) {
        put(",\"hash\":\"blake3:%s\"", spawn->hash);
    }
    put(",\"tty\":%s}\n", spawn->tty ? "true" : "false");
    return send_line(socket, fd, err);
}

int client_signal(int socket, int64_t pid, int signal, struct rc_error *err) {
    begin();
    put("{\"type\":\"signal\",\"pid\":%lld,\"sig\":%d}\n", (long long)pid, signal);
    return send_line(socket, NULL, err);
}

/* ---- in */

static char input[64 << 10];
static size_t input_at, input_len;

static const struct rc_json_rules rules = {.code = RC_E_RPC_JSON, .max_depth = 8};

static int parse(const char *text, size_t len, struct answer *out, struct rc_error *err) {
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = {
        {"id", &out->id}, {"pid", &out->pid}, {"code", &out->code}, {"signal", &out->signal}, {"errno", &out->error}};
    const struct {
        const char *name;
        char *to;
        size_t size;
    } texts[] = {{"type", out->type, sizeof out->type},
                 {"status", out->status, sizeof out->status},
                 {"reason", out->reason, sizeof out->reason},
                 {"error", out->type, sizeof out->type},
                 {"message", out->reason, sizeof out->reason}};
    struct rc_json j;
    *out = (struct answer){-1, -1, -1, -1, -1, "", "", ""};
    if (rc_json_valid((const uint8_t *)text, len, &rules, err) < 0) {
        return -1;
    }
    rc_json_begin(&j, (const uint8_t *)text, len, &rules, err);
    int token = rc_json_next(&j);
    while (token >= 0 && (token = rc_json_next(&j)) == RC_JSON_KEY) {
        const struct rc_json_string key = j.string;
        token = rc_json_next(&j);
        for (size_t i = 0; token == RC_JSON_INTEGER && i < sizeof numbers / sizeof *numbers; i++) {
            if (rc_json_is(key, numbers[i].name)) {
                *numbers[i].to = j.integer;
            }
        }
        for (size_t i = 0; token == RC_JSON_STRING && i < sizeof texts / sizeof *texts; i++) {
            if (!rc_json_is(key, texts[i].name)) {
                continue;
            }
            if (rc_json_copy(j.string, texts[i].to, texts[i].size) < 0) {
                snprintf(texts[i].to, texts[i].size, "(too long)");
            }
            rc_printable(texts[i].to);
        }
        if ((token == RC_JSON_OBJECT || token == RC_JSON_ARRAY) && rc_json_skip(&j) < 0) {
            return -1;
        }
    }
    return 0;
}

int client_has_line(void) {
    return memchr(input + input_at, '\n', input_len - input_at) != NULL;
}

int client_next(int socket, struct answer *out, struct rc_error *err) {
    const char *end;
    while (!(end = memchr(input + input_at, '\n', input_len - input_at))) {
        memmove(input, input + input_at, input_len - input_at);
        input_len -= input_at;
        input_at = 0;
        if (input_len == sizeof input) {
            return rc_fail(err, RC_E_RPC_JSON, 0, "an answer of more than %zu bytes", sizeof input);
        }
        ssize_t got = recv(socket, input + input_len, sizeof input - input_len, 0);
        if (got < 0 && errno == EAGAIN) {
            return rc_fail(err, RC_E_SOCK_TIMEOUT, 0, "the vkernel does not answer");
        }
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return rc_fail(err, RC_E_RPC_CLOSED, 0, "the vkernel is gone%s%s", got ? ": " : "",
                           got ? strerror(errno) : "");
        }
        input_len += got > 0 ? (size_t)got : 0;
    }
    const char *text = input + input_at;
    input_at = (size_t)(end - input) + 1;
    return parse(text, (size_t)(end - text), out, err);
}

int client_open(const char *directory, const char *cid, struct rc_error *err) {
    struct answer answer;
    int socket = rc_sock_connect(directory, cid, CONNECT_MS, err);
    if (socket < 0) {
        return -1;
    }
    begin();
    put("{\"type\":\"hello\",\"version\":1,\"cid\":\"%s\",\"role\":\"control\"}\n", cid); /* rc_cid_check saw it */
    if (send_line(socket, NULL, err) < 0 || client_next(socket, &answer, err) < 0) {
        close(socket);
        return -1;
    }
    if (strcmp(answer.status, "ok") != 0) {
        close(socket);
        if (strcmp(answer.status, "denied") != 0 || !answer.type[0] || !answer.reason[0]) {
            return rc_fail(err, RC_E_RPC_REPLY, 0, "the vkernel's answer to hello is neither ok nor denied");
        }
        return rc_fail(err, RC_E_RPC_DENIED, 0, "%s: %s", answer.type, answer.reason);
    }
    rc_sock_timeout(socket, 0);
    return socket;
}
