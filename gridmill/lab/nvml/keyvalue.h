/* Files of `key = value` lines: the one text format this library reads. */
#ifndef GRIDMILL_KEYVALUE_H
#define GRIDMILL_KEYVALUE_H

#include <stdbool.h>

/* Returns false when the pair is not acceptable; reading then stops. */
typedef bool (*keyvalue_visitor)(void *context, const char *key, const char *value);

enum { KEYVALUE_OK = 0, KEYVALUE_UNREADABLE = -1 };

/*
 * Calls `visit` for each pair; blank lines and lines that start with '#' are skipped.
 * Returns KEYVALUE_OK, KEYVALUE_UNREADABLE (errno says why), or the number of the bad line.
 */
int keyvalue_read(const char *path, keyvalue_visitor visit, void *context);

/* Reads a whole decimal or 0x-hexadecimal number; false when `text` is anything else or too large. */
bool keyvalue_number(const char *text, unsigned int *number);

/*
 * Splits "gpu.<slot>.<rest>" and returns <rest>, or NULL when `key` has another form.
 */
const char *keyvalue_gpu_key(const char *key, unsigned int *slot);

#endif
