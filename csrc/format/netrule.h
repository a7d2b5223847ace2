/* format/netrule.h: the network rules of a manifest's policy. */
#ifndef RC_NETRULE_H
#define RC_NETRULE_H

/* 1 when text is a rule ADDRESS:PORT (docs/format.md), else 0. text is cut into pieces. */
int rc_netrule_ok(char *text);

#endif
