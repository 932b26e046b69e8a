/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The few fields of the kernel's structures that attribution.bpf.c reads; where they lie is relocated at load (CO-RE). */
#pragma once

typedef signed int __s32;
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef signed long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

enum bpf_map_type {
    BPF_MAP_TYPE_ARRAY = 2,
    BPF_MAP_TYPE_LRU_HASH = 9,
    BPF_MAP_TYPE_SK_STORAGE = 24,
    BPF_MAP_TYPE_RINGBUF = 27,
    BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024, BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };

#define RELOCATED __attribute__((preserve_access_index))

struct ns_common { __u32 inum; } RELOCATED;
struct net { struct ns_common ns; } RELOCATED;
typedef struct { struct net *net; } RELOCATED possible_net_t;

typedef struct { __s64 counter; } atomic64_t;
struct in6_addr { union { __u8 u6_addr8[16]; } in6_u; } RELOCATED;
struct sock_common {
    __be32 skc_daddr, skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num, skc_family;
    volatile __u8 skc_state;
    __u8 skc_ipv6only : 1;
    int skc_bound_dev_if;
    possible_net_t skc_net;
    atomic64_t skc_cookie;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} RELOCATED;
struct file;
struct socket { struct file *file; } RELOCATED;
struct sock {
    struct sock_common __sk_common;
    __u16 sk_type, sk_protocol;
    __u8 sk_shutdown;
    struct socket *sk_socket;
} RELOCATED;
struct inet_sock { __be16 inet_sport; } RELOCATED;

struct sk_buff {
    struct sock *sk;
    __u16 network_header;
    unsigned char *head;
} RELOCATED;

typedef struct { __u32 val; } kuid_t;
typedef struct { __u32 val; } kgid_t;
struct cred { kuid_t euid; kgid_t egid; } RELOCATED;
struct task_struct {
    unsigned int flags;
    int tgid;
    struct task_struct *real_parent, *group_leader;
    __u64 start_boottime, self_exec_id;
    char comm[16];
    const struct cred *cred;
} RELOCATED;
struct linux_binprm { const char *interp; } RELOCATED;
