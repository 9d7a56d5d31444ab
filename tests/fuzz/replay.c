/* replay FILE|FOLDER...: gives each file, and each file of each folder, to the reader this is
 * linked with; says how many. Without arguments it reads one from standard input, as AFL++ has it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static long count;

static void replay(FILE *file)
{
    uint8_t *data = NULL;
    size_t size = 0, capacity = 0, got;
    do {
        if (size == capacity) data = realloc(data, capacity = 2 * capacity + 4096);
        if (!data) abort();
        got = fread(data + size, 1, capacity - size, file);
        size += got;
    } while (got);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    count++;
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return perror(path), 1;
    replay(file);
    fclose(file);
    return 0;
}

static int replay_folder(const char *path, DIR *folder)
{
    int bad = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        bad |= replay_file(name);
    }
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;
    if (argc < 2) replay(stdin);
    for (int k = 1; k < argc; k++) {
        DIR *folder = opendir(argv[k]);
        bad |= folder ? replay_folder(argv[k], folder) : replay_file(argv[k]);
        if (folder) closedir(folder);
    }
    printf("%ld inputs\n", count);
    return bad || !count;
}
