/* names: one arena of bytes and an index by hash. At most half of the slots are taken, so a
 * search ends; every string lies in `bytes` before a slot points at it. */
#include "io/names.h"

#include <string.h>

#include "base/ctx.h"
#include "base/memory.h"

/* Multiply and fold, eight bytes at a time: quick, and mixes every bit. */
static uint64_t hash(const char *text, size_t length)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ length;
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = 0;
        memcpy(&word, text + i, length - i < 8 ? length - i : 8);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    return h;
}

static ptrdiff_t length_of(const bnorm_names *names, ptrdiff_t k)
{
    ptrdiff_t end = k + 1 < names->count ? names->start[k + 1] : names->used;
    return end - names->start[k] - 1;
}

static int same(const bnorm_names *names, ptrdiff_t k, const char *text, size_t length)
{
    return length_of(names, k) == (ptrdiff_t)length &&
           memcmp(names->bytes + names->start[k], text, length) == 0;
}

/* The slot that holds the string, or the free one where it would go. */
static ptrdiff_t slot_of(const bnorm_names *names, const char *text, size_t length)
{
    ptrdiff_t mask = names->slot_count - 1;
    ptrdiff_t i = (ptrdiff_t)(hash(text, length) & (uint64_t)mask);
    while (names->slots[i] && !same(names, names->slots[i] - 1, text, length))
        i = (i + 1) & mask;
    return i;
}

ptrdiff_t bnorm_names_find(const bnorm_names *names, const char *text, size_t length)
{
    if (!names->slot_count) return -1;
    return names->slots[slot_of(names, text, length)] - 1;
}

/* Moves *block (used bytes) into a larger one. */
static int grow(bnorm_ctx *ctx, void **block, ptrdiff_t used, ptrdiff_t count, size_t size)
{
    void *larger = bnorm_alloc(ctx, count, size);
    if (!larger) return 0;
    if (used) memcpy(larger, *block, (size_t)used * size);
    bnorm_free(*block);
    *block = larger;
    return 1;
}

static int grow_bytes(bnorm_ctx *ctx, bnorm_names *names, size_t length)
{
    if (length >= (size_t)(PTRDIFF_MAX / 4 - names->used)) return 0;
    ptrdiff_t need = names->used + (ptrdiff_t)length + 1;
    if (need <= names->room) return 1;
    ptrdiff_t room = need < 64 ? 64 : need + need / 2;
    void *bytes = names->bytes;
    if (!grow(ctx, &bytes, names->used, room, 1)) return 0;
    names->bytes = bytes;
    names->room = room;
    return 1;
}

static int grow_starts(bnorm_ctx *ctx, bnorm_names *names)
{
    if (names->count < names->capacity) return 1;
    ptrdiff_t capacity = names->capacity ? 2 * names->capacity : 8;
    void *start = names->start;
    if (!grow(ctx, &start, names->count, capacity, sizeof *names->start)) return 0;
    names->start = start;
    names->capacity = capacity;
    return 1;
}

static int grow_slots(bnorm_ctx *ctx, bnorm_names *names)
{
    if (2 * (names->count + 1) <= names->slot_count) return 1;
    ptrdiff_t count = names->slot_count ? 2 * names->slot_count : 16;
    ptrdiff_t *slots = bnorm_alloc_zero(ctx, count, sizeof *slots);
    if (!slots) return 0;
    bnorm_free(names->slots);
    names->slots = slots;
    names->slot_count = count;
    for (ptrdiff_t k = 0; k < names->count; k++) {
        size_t length = (size_t)length_of(names, k);
        slots[slot_of(names, names->bytes + names->start[k], length)] = k + 1;
    }
    return 1;
}

bnorm_status bnorm_names_add(bnorm_ctx *ctx, bnorm_names *names, const char *text,
                             size_t length, ptrdiff_t *number)
{
    *number = bnorm_names_find(names, text, length);
    if (*number >= 0) return BNORM_OK;
    if (!grow_bytes(ctx, names, length) || !grow_starts(ctx, names) || !grow_slots(ctx, names))
        return bnorm_fail_memory(ctx, "names");
    ptrdiff_t slot = slot_of(names, text, length);
    memcpy(names->bytes + names->used, text, length);
    names->bytes[names->used + (ptrdiff_t)length] = '\0';
    names->start[names->count] = names->used;
    names->used += (ptrdiff_t)length + 1;
    *number = names->count++;
    names->slots[slot] = *number + 1;
    return BNORM_OK;
}

const char *bnorm_names_text(const bnorm_names *names, ptrdiff_t k)
{
    return k >= 0 && k < names->count ? names->bytes + names->start[k] : NULL;
}

void bnorm_names_clear(bnorm_names *names)
{
    bnorm_free(names->bytes);
    bnorm_free(names->start);
    bnorm_free(names->slots);
    *names = (bnorm_names){0};
}
