/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which process connects, accepts, sends and receives: seen where the kernel does it, and read through a ring buffer.
 *
 * Only typed tracepoints (tp_btf), which load wherever the kernel has BTF. An event names the process that was running
 * in the kernel for itself, never one that an interrupt happened to stop:
 *   - A connection's owner is noted when its socket begins to connect, and reported with the first packet (SYN), when
 *     the local port is known.
 *   - The accepting side is whoever first receives, sends or closes: accept() itself has no tracepoint.
 *   - Ends of unconnected datagrams are those of the packet that the same thread passed to a device within the same call.
 * tools/ebpf compiles this file; rustnet/probe/ebpf/events.py decodes the events.
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL and additional rights";
char SOURCE[] SEC("rustnet_source") = SOURCE_SHA256;

enum { AF_INET = 2, AF_INET6 = 10, AF_PACKET = 17 };
enum { SOCK_DGRAM = 2, SOCK_RAW = 3 };
enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };
enum { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, TIME_WAIT = 6, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, NEW_SYN_RECV = 12 };
enum { SHUTDOWN_MASK = 3 };
enum { PF_KTHREAD = 0x00200000 };
enum kind { CONNECT = 1, LISTENING, SENT, RECEIVED, CLOSED, EXECUTED };
enum { LOST, LIMITED, COUNTERS };

#define SECOND 1000000000ULL
#define AGAIN_NS SECOND           /* a process's further datagrams between two ends are no event within this time */
#define WILDCARD_AGAIN_NS (10 * SECOND)
#define PEERS_PER_SECOND 64       /* of one socket; its owner is known from the first on */
#define REMEMBERED 4              /* processes that use one connection */
#define PATH_SIZE 256

struct process {
    __u64 started;                /* of the group leader, ns since boot */
    __u64 cgroup;
    __u32 process, thread;
    __u32 user, group;            /* effective */
    char name[16];                /* the group leader's */
};

struct event {
    __u64 time;                   /* ns since boot */
    struct process who;
    __u32 kind;
    __u32 other;                  /* inode of the socket's network namespace; the process's parent */
};

struct ends {                     /* five words of 8 bytes */
    __u8 local[16], remote[16];
    __u16 local_port, remote_port;
    __u8 protocol, family;
    __u8 only6;                   /* a socket of IPv6 that takes no IPv4 */
    __u8 pad;
};

struct socket_event {
    struct event head;
    __u64 cookie;
    struct ends ends;
    __u32 interface;              /* that the socket is bound to */
    __u16 state;                  /* 0: the ends are a packet's, not the socket's */
    __u16 type;
};

struct process_event {
    struct event head;
    char path[PATH_SIZE];         /* of the program's file; of a script its interpreter's */
};

struct per_socket {
    struct process owner;         /* who began to connect */
    __u64 program;
    __u64 seen[REMEMBERED];       /* programs that were reported with this connection */
    __u32 next;
    __u32 peers;                  /* reported in the second that began at `second` */
    __u64 second;
    __u64 of_socket, of_packet;   /* programs that were reported last with the socket's ends, with a packet's */
    __u64 of_socket_time, of_packet_time;
    struct ends packet;
};

struct sending {                  /* by a thread, until its call ends */
    __u64 socket;                 /* 0: none */
    struct ends ends;
};

struct pair {
    __u32 process, namespace;
    struct ends ends;
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 22);
} ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);   /* read without bpf(), which a confined process may not call */
    __uint(max_entries, COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct per_socket);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sending);
} threads SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct pair);
    __type(value, __u64);
} pairs SEC(".maps");

static __always_inline void count(__u32 which)
{
    __u64 *value = bpf_map_lookup_elem(&counters, &which);
    if (value)
        __sync_fetch_and_add(value, 1);
}

static __always_inline int in_kernel_thread(struct task_struct *task)
{
    return task->flags & PF_KTHREAD;
}

/* What a process runs: exec makes it another program. */
static __always_inline __u64 program(struct task_struct *task)
{
    return bpf_get_current_pid_tgid() >> 32 | task->group_leader->self_exec_id << 32;
}

static __always_inline void describe(struct process *who, struct task_struct *task)
{
    struct task_struct *leader = task->group_leader;
    __u64 ids = bpf_get_current_pid_tgid();
    who->started = leader->start_boottime;
    who->cgroup = bpf_get_current_cgroup_id();
    who->process = ids >> 32;
    who->thread = (__u32)ids;
    who->user = task->cred->euid.val;
    who->group = task->cred->egid.val;
    bpf_probe_read_kernel(who->name, sizeof who->name, leader->comm);
}

/* Whether a program opened the socket: on the kernel's own, file systems of other machines work for whoever runs. */
static __always_inline int of_program(struct sock *sk)
{
    struct socket *socket = sk->sk_socket;
    return socket && socket->file;
}

static __always_inline void socket_ends(struct sock *sk, struct ends *ends)
{
    __builtin_memset(ends, 0, sizeof *ends);
    ends->family = sk->__sk_common.skc_family;
    ends->protocol = sk->sk_protocol;
    ends->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
    /* skc_num is 0 again once a connection has failed. */
    ends->local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
    if (ends->family == AF_INET) {
        BPF_CORE_READ_INTO((__be32 *)ends->local, sk, __sk_common.skc_rcv_saddr);
        BPF_CORE_READ_INTO((__be32 *)ends->remote, sk, __sk_common.skc_daddr);
    } else {
        ends->only6 = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only);
        BPF_CORE_READ_INTO(&ends->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
        BPF_CORE_READ_INTO(&ends->remote, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
    }
}

/* Ends of the packet at `at`: of TCP and UDP with ports, of an ICMP echo request with its id as local port. */
static __always_inline int packet_ends(const unsigned char *at, struct ends *ends)
{
    __u8 head[40], transport[8];
    __u32 size;
    if (bpf_probe_read_kernel(head, sizeof head, at))
        return 0;
    __builtin_memset(ends, 0, sizeof *ends);
    if (head[0] >> 4 == 4) {
        if ((head[6] & 0x1f) | head[7])   /* not the first fragment */
            return 0;
        ends->family = AF_INET;
        ends->protocol = head[9];
        __builtin_memcpy(ends->local, head + 12, 4);
        __builtin_memcpy(ends->remote, head + 16, 4);
        size = (head[0] & 15) * 4;
    } else if (head[0] >> 4 == 6) {
        ends->family = AF_INET6;
        ends->protocol = head[6];
        __builtin_memcpy(ends->local, head + 8, 16);
        __builtin_memcpy(ends->remote, head + 24, 16);
        size = 40;
    } else
        return 0;
    if (bpf_probe_read_kernel(transport, sizeof transport, at + size))
        return 0;
    if (ends->protocol == TCP || ends->protocol == UDP) {
        ends->local_port = transport[0] << 8 | transport[1];
        ends->remote_port = transport[2] << 8 | transport[3];
    } else if ((ends->protocol == ICMP && transport[0] == 8) || (ends->protocol == ICMP6 && transport[0] == 128))
        ends->local_port = transport[4] << 8 | transport[5];
    else
        return 0;
    return 1;
}

static __always_inline int report(struct sock *sk, const struct process *who, const struct ends *ends, enum kind kind,
                                  __u16 state)
{
    struct socket_event *event = bpf_ringbuf_reserve(&ring, sizeof *event, 0);
    if (!event) {
        count(LOST);
        return 0;
    }
    event->head.time = bpf_ktime_get_boot_ns();
    event->head.who = *who;
    event->head.kind = kind;
    event->head.other = sk->__sk_common.skc_net.net->ns.inum;
    event->cookie = sk->__sk_common.skc_cookie.counter;   /* given by bpf_get_socket_cookie before */
    event->ends = *ends;
    event->interface = sk->__sk_common.skc_bound_dev_if;
    event->state = state;
    event->type = sk->sk_type;
    bpf_ringbuf_submit(event, 0);
    return 1;
}

/* Report the running process with a connection: once, and again when it closes. Whoever only closes it, as the last
 * that inherited it, is reported if nobody used it. */
static __always_inline void witness(struct sock *sk, enum kind kind, __u16 state)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct process who;
    struct ends ends;
    struct per_socket *own;
    int used = 0, known = 0;
    __u64 current;
    if (in_kernel_thread(task) || !of_program(sk))
        return;
    current = program(task);
    own = bpf_sk_storage_get(&sockets, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!own)
        return;
    for (int i = 0; i < REMEMBERED; i++) {
        used |= own->seen[i] != 0;
        known |= own->seen[i] == current;
    }
    if (kind == CLOSED ? used && !known : known)
        return;
    bpf_get_socket_cookie(sk);
    describe(&who, task);
    socket_ends(sk, &ends);
    if (ends.local_port && report(sk, &who, &ends, kind, state) && !known)
        own->seen[own->next++ & (REMEMBERED - 1)] = current;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int before, int after)
{
    struct task_struct *task = bpf_get_current_task_btf();
    if (sk->sk_protocol != TCP)
        return 0;
    if (after == SYN_SENT) {
        struct per_socket *own;
        if (in_kernel_thread(task) || !of_program(sk))
            return 0;
        own = bpf_sk_storage_get(&sockets, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (own) {
            __builtin_memset(own->seen, 0, sizeof own->seen);
            describe(&own->owner, task);
            own->program = program(task);
            bpf_get_socket_cookie(sk);
        }
    } else if (after == LISTEN)
        witness(sk, LISTENING, after);
    else if ((after == FIN_WAIT1 && before != CLOSE) || after == LAST_ACK)
        witness(sk, CLOSED, before);   /* only close() and shutdown() lead there */
    else if (after == CLOSE && (before == ESTABLISHED || before == CLOSE_WAIT) && sk->sk_shutdown == SHUTDOWN_MASK)
        witness(sk, CLOSED, before);   /* close() with data unread; a reset from outside sets the mask afterwards */
    return 0;
}

static __always_inline int same_ends(const struct ends *one, const struct ends *other)
{
    const __u64 *a = (const __u64 *)one, *b = (const __u64 *)other;
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4];
}

static __always_inline int same_pair(struct pair *pair, __u64 now, __u64 within)
{
    __u64 *last = bpf_map_lookup_elem(&pairs, pair);
    return last && now - *last < within;
}

static __always_inline void begin_pair(struct pair *pair, struct sock *sk, const struct ends *ends)
{
    __builtin_memset(pair, 0, sizeof *pair);
    pair->process = bpf_get_current_pid_tgid() >> 32;
    pair->namespace = sk->__sk_common.skc_net.net->ns.inum;
    pair->ends = *ends;
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(on_queue, struct sk_buff *skb)
{
    struct sock *sk = skb->sk;
    struct sending *sending;
    struct per_socket *own;
    struct pair pair;
    struct ends ends;
    __u64 now;
    __u8 state;
    __u16 family;
    if (!sk)
        return 0;
    state = sk->__sk_common.skc_state;
    if (state == NEW_SYN_RECV || state == TIME_WAIT)   /* not a whole struct sock */
        return 0;
    family = sk->__sk_common.skc_family;
    if (family != AF_INET && family != AF_INET6 && family != AF_PACKET)
        return 0;
    if (family != AF_PACKET && sk->sk_protocol == TCP && sk->sk_type != SOCK_RAW) {
        if (state != SYN_SENT)
            return 0;
        own = bpf_sk_storage_get(&sockets, sk, 0, 0);
        if (!own || !own->program || own->seen[0] == own->program)
            return 0;
        socket_ends(sk, &ends);
        if (report(sk, &own->owner, &ends, CONNECT, state)) {
            own->seen[0] = own->program;
            own->next = 1;
        }
        return 0;
    }
    if (sk->sk_type != SOCK_DGRAM && sk->sk_type != SOCK_RAW)
        return 0;
    if (!of_program(sk) || !packet_ends(skb->head + skb->network_header, &ends))
        return 0;
    /* Another port is that of a tunnel around the socket's packet, or a translated one. */
    if (family != AF_PACKET && sk->sk_type == SOCK_DGRAM && ends.local_port != sk->__sk_common.skc_num)
        return 0;
    now = bpf_ktime_get_boot_ns();
    own = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (own && now - own->of_packet_time < AGAIN_NS && own->of_packet == program(bpf_get_current_task_btf()) &&
        same_ends(&own->packet, &ends))
        return 0;
    begin_pair(&pair, sk, &ends);
    if (same_pair(&pair, now, AGAIN_NS))
        return 0;
    sending = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (sending && sending->socket != (__u64)sk) {     /* what encloses the packet comes later */
        sending->socket = (__u64)sk;
        sending->ends = ends;
    }
    return 0;
}

/* Whether a packet's ends are those of its connected socket; then they are given as the socket has them. */
static __always_inline int socket_has(struct sock *sk, struct ends *ends)
{
    struct ends own;
    const __u32 *here, *there = (const __u32 *)ends->remote;
    if (ends->remote_port != bpf_ntohs(sk->__sk_common.skc_dport))
        return 0;
    socket_ends(sk, &own);
    here = (const __u32 *)own.remote;
    if (ends->family == own.family) {
        if (here[0] != there[0] || here[1] != there[1] || here[2] != there[2] || here[3] != there[3])
            return 0;
    } else if (ends->family != AF_INET || here[3] != there[0])   /* an IPv4-mapped address */
        return 0;
    *ends = own;
    return 1;
}

/* Report the running process with a datagram's ends, or with its socket's local end. */
static __always_inline void datagram(struct sock *sk, enum kind kind, int result)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct sending *sending = 0;
    struct per_socket *own;
    struct process who;
    struct pair pair;
    struct ends ends;
    __u64 now = bpf_ktime_get_boot_ns(), within = AGAIN_NS;
    __u64 current;
    __u16 state = sk->__sk_common.skc_state;
    int known = 0;
    if (in_kernel_thread(task) || !of_program(sk))
        return;
    current = program(task);
    if (kind == SENT) {
        sending = bpf_task_storage_get(&threads, task, 0, 0);
        if (sending && sending->socket == (__u64)sk) {
            ends = sending->ends;
            sending->socket = 0;
            known = 1;
        }
        if (result < 0)
            return;
    }
    if (!known) {
        if (sk->sk_protocol != UDP || sk->sk_type != SOCK_DGRAM || sk->__sk_common.skc_family == AF_PACKET)
            return;
        if (!sk->__sk_common.skc_dport)
            within = WILDCARD_AGAIN_NS;
    }
    own = bpf_sk_storage_get(&sockets, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!own)
        return;
    if (!known) {
        if (own->of_socket == current && now - own->of_socket_time < within)
            return;
        socket_ends(sk, &ends);
        if (!ends.local_port)
            return;
    }
    begin_pair(&pair, sk, &ends);
    if (same_pair(&pair, now, within))
        return;
    if (now - own->second > SECOND) {
        own->second = now;
        own->peers = 0;
    }
    if (own->peers >= PEERS_PER_SECOND) {
        count(LIMITED);
        return;
    }
    own->peers++;
    bpf_get_socket_cookie(sk);
    describe(&who, task);
    if (known && (sk->sk_type != SOCK_DGRAM || state != ESTABLISHED || !socket_has(sk, &ends)))
        state = 0;
    if (!report(sk, &who, &ends, kind, state))
        return;
    bpf_map_update_elem(&pairs, &pair, &now, 0);
    if (known) {
        own->packet = pair.ends;
        own->of_packet = current;
        own->of_packet_time = now;
    } else {
        own->of_socket = current;
        own->of_socket_time = now;
    }
}

static __always_inline int transferred(struct sock *sk, enum kind kind, int result)
{
    __u16 family = sk->__sk_common.skc_family;
    __u8 state = sk->__sk_common.skc_state;
    if (family == AF_PACKET) {
        if (kind == SENT)
            datagram(sk, kind, result);
        return 0;
    }
    if (family != AF_INET && family != AF_INET6)
        return 0;
    if (sk->sk_protocol == TCP && sk->sk_type != SOCK_RAW) {
        if (state != CLOSE && state != LISTEN && state != SYN_SENT)
            witness(sk, kind, state);
    } else if (sk->sk_type == SOCK_DGRAM || sk->sk_type == SOCK_RAW)
        datagram(sk, kind, result);
    return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk, int result)
{
    return transferred(sk, SENT, result);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_receive, struct sock *sk, int result)
{
    return transferred(sk, RECEIVED, result);
}

/* Kernels before 6.3, which have neither of the two above. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(on_copied, struct sock *sk)
{
    return sk->sk_protocol == TCP ? transferred(sk, RECEIVED, 1) : 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int before, struct linux_binprm *binary)
{
    struct process_event *event = bpf_ringbuf_reserve(&ring, sizeof *event, 0);
    if (!event) {
        count(LOST);
        return 0;
    }
    event->head.time = bpf_ktime_get_boot_ns();
    describe(&event->head.who, task);
    event->head.kind = EXECUTED;
    event->head.other = task->real_parent->tgid;
    bpf_probe_read_kernel_str(event->path, sizeof event->path, binary->interp);
    bpf_ringbuf_submit(event, 0);
    return 0;
}
