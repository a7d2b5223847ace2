/* sock.h: the way to the vkernel. In: a run directory and a container id, or an inherited fd. Out: a connected UNIX
 * stream socket whose peer runs as root or as this user. */
#ifndef RC_SOCK_H
#define RC_SOCK_H

#include "base/base.h"

enum { RC_CID_MAX = 63 };

/* [a-z0-9][a-z0-9_.-]{0,62}, no "..": E_SOCK_ID. */
int rc_cid_check(const char *cid, struct rc_error *err);

/* The default container id of a subject: its last component. E_SOCK_ID when that is none. */
int rc_cid_of_subject(const char *subject, char out[RC_CID_MAX + 1], struct rc_error *err);

/* Text between the two cffi marks is also in the cdef of recompiler._native, behind format/format.h's. */
/* cffi: begin */
/* Connects to DIRECTORY/CID.sock; no component of the path is a symlink or another user's to change, and the socket and
 * its peer are root's or this user's. Waits at most timeout_ms. Returns the fd: E_SOCK_ID, E_SOCK_PATH, E_SOCK_CONNECT,
 * E_SOCK_PEER, E_SOCK_TIMEOUT. */
int rc_sock_connect(const char *directory, const char *cid, int timeout_ms, struct rc_error *err);
/* cffi: end */

/* Checks an inherited fd: a connected UNIX stream socket. 0: E_SOCK_CONNECT, E_SOCK_PEER. */
int rc_sock_adopt(int fd, struct rc_error *err);

/* Bounds every later send and receive; 0 = for ever. */
void rc_sock_timeout(int fd, int timeout_ms);

#endif
