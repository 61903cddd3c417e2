/* load: plays one message over and over on many TCP links and waits for every ACK.
 *
 *   load ADDRESS PORT LINKS SECONDS RATE FIRST FILE
 *
 * FILE holds the frames of an ASTM message (STX..LF), or one HL7 message in its block
 * (VT..FS CR). The eight characters "@@@@@@@@" in it become a running number from FIRST, so
 * that every message is another sample, and the checksum of that frame is computed anew. RATE
 * is messages per second over all links, 0 for as fast as the ACKs come. Prints one JSON line:
 * messages, seconds, refused, and the latency of ACKs, or of AAs, in microseconds. Written in C
 * so that the generator does not bound the figures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ENQ = 5, ACK = 6, EOT = 4, STX = 2, ETX = 3, ETB = 23, VT = 11, FS = 28 };
enum { MAX_FRAMES = 4096, MAX_PLACES = 16, REPLY = 4096, BUCKETS = 2000000 };

struct link {
    int fd;
    int frame; /* -2 waits for its turn, -1 waits for the answer to ENQ, else the frame under way */
    double sent_at, due_at;
    unsigned char *text;
    char reply[REPLY + 1]; /* what has come of an HL7 acknowledgment */
    size_t replied;
};

static unsigned char *message;
static size_t size, frame_at[MAX_FRAMES + 1];
static int frames, is_hl7, places, number_frame = -1;
static size_t number_at[MAX_PLACES];
static unsigned long next_number, messages, refused, acks;
static uint32_t histogram[BUCKETS + 1];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void read_message(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    message = malloc(1 << 20);
    size = fread(message, 1, 1 << 20, file);
    fclose(file);
    is_hl7 = size && message[0] == VT;
    for (size_t i = 0; i < size; i++) {
        if (message[i] == (is_hl7 ? VT : STX) && frames < MAX_FRAMES) frame_at[frames++] = i;
        if (i + 8 <= size && !memcmp(message + i, "@@@@@@@@", 8) && places < MAX_PLACES) {
            number_at[places++] = i;
            number_frame = frames - 1;
        }
    }
    frame_at[frames] = size;
}

static void put_number(unsigned char *text) {
    char digits[16];
    if (number_frame < 0) return;
    snprintf(digits, sizeof digits, "%08lu", next_number++ % 100000000UL);
    for (int k = 0; k < places; k++) memcpy(text + number_at[k], digits, 8);
    if (is_hl7) return;
    unsigned sum = 0;
    size_t i = frame_at[number_frame] + 1;
    do sum += text[i]; while (text[i] != ETX && text[i++] != ETB);
    snprintf(digits, sizeof digits, "%02X", sum & 255);
    memcpy(text + i + 1, digits, 2);
}

static void send_all(int fd, const unsigned char *data, size_t length) {
    while (length) {
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n < 0) die("send");
        data += n;
        length -= n;
    }
}

static void send_frame(struct link *link) {
    link->sent_at = now();
    send_all(link->fd, link->text + frame_at[link->frame],
             frame_at[link->frame + 1] - frame_at[link->frame]);
}

static void start(struct link *link) {
    unsigned char enq = ENQ;
    put_number(link->text);
    if (is_hl7) {
        link->frame = 0;
        send_frame(link);
        return;
    }
    link->frame = -1;
    send_all(link->fd, &enq, 1);
}

static void measure(struct link *link) {
    double us = (now() - link->sent_at) * 1e6;
    histogram[us < BUCKETS ? (int)us : BUCKETS]++;
    acks++;
}

/* A message is through; with RATE the next one waits for its turn. */
static void finish(struct link *link, int at_once) {
    messages++;
    link->frame = -2;
    if (at_once) start(link);
}

static void hear_astm(struct link *link, unsigned char answer, int at_once) {
    unsigned char eot = EOT;
    if (answer != ACK) {
        refused++;
        if (link->frame >= 0) send_frame(link);
        return;
    }
    if (link->frame >= 0) measure(link);
    if (++link->frame < frames) {
        send_frame(link);
        return;
    }
    send_all(link->fd, &eot, 1);
    finish(link, at_once);
}

static void hear_hl7(struct link *link, unsigned char byte, int at_once) {
    if (link->replied < REPLY) link->reply[link->replied++] = byte;
    if (byte != '\r' || link->replied < 2 || link->reply[link->replied - 2] != FS) return;
    link->reply[link->replied] = 0;
    link->replied = 0;
    measure(link);
    if (!strstr(link->reply, "MSA|AA|")) refused++;
    finish(link, at_once);
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "load ADDRESS PORT LINKS SECONDS RATE FIRST FILE\n");
        return 2;
    }
    int count = atoi(argv[3]);
    double seconds = atof(argv[4]), rate = atof(argv[5]);
    next_number = strtoul(argv[6], NULL, 10);
    read_message(argv[7]);
    struct link *links = calloc(count, sizeof *links);
    int poll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    double begin = now(), spacing = rate > 0 ? count / rate : 0;
    for (int i = 0; i < count; i++) {
        struct link *link = links + i;
        int on = 1;
        link->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(link->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
        setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        link->text = malloc(size);
        memcpy(link->text, message, size);
        link->frame = -2;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
        epoll_ctl(poll, EPOLL_CTL_ADD, link->fd, &event);
    }
    begin = now();
    for (int i = 0; i < count; i++) {
        links[i].due_at = begin + spacing * i / count;
        if (spacing == 0) start(links + i);
    }
    double end = begin + seconds;
    struct epoll_event events[256];
    for (;;) {
        double t = now();
        if (t >= end) break;
        if (spacing > 0)
            for (int i = 0; i < count; i++)
                if (links[i].frame == -2 && links[i].due_at <= t) {
                    links[i].due_at += spacing;
                    start(links + i);
                }
        int ready = epoll_wait(poll, events, 256, spacing > 0 ? 1 : 100);
        for (int i = 0; i < ready; i++) {
            struct link *link = events[i].data.ptr;
            unsigned char answers[REPLY];
            ssize_t n = recv(link->fd, answers, sizeof answers, 0);
            if (n <= 0) die("the server closed a link");
            for (ssize_t k = 0; k < n; k++)
                (is_hl7 ? hear_hl7 : hear_astm)(link, answers[k], spacing == 0);
        }
    }
    double took = now() - begin;
    unsigned long seen = 0, p50 = 0, p99 = 0, most = 0;
    for (int us = 0; us <= BUCKETS; us++) {
        if (!histogram[us]) continue;
        seen += histogram[us];
        most = us;
        if (!p50 && seen * 2 >= acks) p50 = us;
        if (!p99 && seen * 100 >= acks * 99) p99 = us;
    }
    printf("{\"messages\":%lu,\"seconds\":%.3f,\"refused\":%lu,\"acks\":%lu,\"p50_us\":%lu,"
           "\"p99_us\":%lu,\"max_us\":%lu,\"next\":%lu}\n",
           messages, took, refused, acks, p50, p99, most, next_number);
    return 0;
}
