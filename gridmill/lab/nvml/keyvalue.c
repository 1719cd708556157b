#include "keyvalue.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 1024 };

static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        text[--length] = '\0';
    return text;
}

static bool visit_line(char *line, keyvalue_visitor visit, void *context)
{
    char *pair = trimmed(line);
    if (pair[0] == '\0' || pair[0] == '#')
        return true;
    char *equals = strchr(pair, '=');
    if (equals == NULL)
        return false;
    *equals = '\0';
    return visit(context, trimmed(pair), trimmed(equals + 1));
}

int keyvalue_read(const char *path, keyvalue_visitor visit, void *context)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return KEYVALUE_UNREADABLE;
    char line[LINE_SIZE];
    int number = 0, outcome = KEYVALUE_OK;
    while (outcome == KEYVALUE_OK && fgets(line, sizeof line, file) != NULL) {
        ++number;
        bool whole = strchr(line, '\n') != NULL || feof(file);
        if (!whole || !visit_line(line, visit, context))
            outcome = number;
    }
    if (outcome == KEYVALUE_OK && ferror(file))
        outcome = KEYVALUE_UNREADABLE;
    int reason = errno;
    fclose(file);
    errno = reason;
    return outcome;
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return INT_MAX;
}

bool keyvalue_number(const char *text, unsigned int *number)
{
    unsigned long long value = 0;
    int base = 10;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    if (text[0] == '\0')
        return false;
    for (; *text != '\0'; ++text) {
        int digit = digit_value(*text);
        if (digit >= base)
            return false;
        value = value * (unsigned int)base + (unsigned int)digit;
        if (value > UINT_MAX)
            return false;
    }
    *number = (unsigned int)value;
    return true;
}

const char *keyvalue_gpu_key(const char *key, unsigned int *slot)
{
    static const char prefix[] = "gpu.";
    if (strncmp(key, prefix, strlen(prefix)) != 0)
        return NULL;
    key += strlen(prefix);
    const char *dot = strchr(key, '.');
    char digits[8];
    if (dot == NULL || (size_t)(dot - key) >= sizeof digits)
        return NULL;
    memcpy(digits, key, (size_t)(dot - key));
    digits[dot - key] = '\0';
    return keyvalue_number(digits, slot) ? dot + 1 : NULL;
}
