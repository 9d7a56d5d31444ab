/* stat_write FILE VERSION: writes a small table as Stata or SPSS would, with what pandas cannot
 * write: a value that its variable declares missing (SPSS), labels for all values, for some, and
 * twice the same, and texts with the byte 0xe9, which is a letter in old files of Stata (VERSION
 * below 118) and no UTF-8 in new ones. VERSION 0: .sav, with the letter in UTF-8. */
#include <readstat.h>
#include <stdlib.h>

enum { ROWS = 30 };

static ssize_t put(const void *bytes, size_t size, void *file)
{
    return (ssize_t)fwrite(bytes, 1, size, file);
}

static readstat_label_set_t *labels(readstat_writer_t *w, const char *name, int count,
                                    const char *const *texts)
{
    readstat_label_set_t *set = readstat_add_label_set(w, READSTAT_TYPE_INT32, name);
    for (int k = 0; k < count; k++) readstat_label_int32_value(set, k, texts[k]);
    return set;
}

static readstat_variable_t *add(readstat_writer_t *w, const char *name, readstat_type_t type,
                                readstat_label_set_t *set)
{
    readstat_variable_t *v =
        readstat_add_variable(w, name, type, type == READSTAT_TYPE_STRING ? 8 : 0);
    if (set) readstat_variable_set_label_set(v, set);
    return v;
}

int main(int argc, char **argv)
{
    static const char *const texts[] = {"low", "middle", "high"}, *const twice[] = {
                                                                      "same", "same", "other"};
    int version = argc == 3 ? atoi(argv[2]) : 0, bad = argc != 3;
    FILE *file = bad ? NULL : fopen(argv[1], "wb");
    if (!file) return 2;
    readstat_writer_t *w = readstat_writer_init();
    readstat_set_data_writer(w, put);
    readstat_variable_t *x = add(w, "x", READSTAT_TYPE_DOUBLE, NULL);
    readstat_variable_t *named =
        add(w, "named", READSTAT_TYPE_INT32, labels(w, "l3", 3, texts));
    readstat_variable_t *some = add(w, "some", READSTAT_TYPE_INT32, labels(w, "l2", 2, texts));
    readstat_variable_t *same = add(w, "same", READSTAT_TYPE_INT32, labels(w, "l1", 3, twice));
    readstat_variable_t *text = add(w, "text", READSTAT_TYPE_STRING, NULL);
    if (!version) readstat_variable_add_missing_double_value(x, 99);
    if (version) readstat_writer_set_file_format_version(w, (uint8_t)version);
    bad = version ? readstat_begin_writing_dta(w, file, ROWS)
                  : readstat_begin_writing_sav(w, file, ROWS);
    for (int i = 0; i < ROWS && !bad; i++) {
        bad = readstat_begin_row(w);
        if (!bad) bad = readstat_insert_double_value(w, x, i == 4 ? 99 : i * i % 17);
        if (!bad) bad = readstat_insert_int32_value(w, named, i % 3);
        if (!bad) bad = readstat_insert_int32_value(w, some, i % 3);
        if (!bad) bad = readstat_insert_int32_value(w, same, i % 3);
        if (!bad)
            bad = readstat_insert_string_value(w, text,
                                               i % 2     ? "b"
                                               : i == 6  ? ""
                                               : version ? "caf\xe9"
                                                         : "caf\xc3\xa9");
        if (!bad) bad = readstat_end_row(w);
    }
    if (!bad) bad = readstat_end_writing(w);
    if (bad) fprintf(stderr, "%s\n", readstat_error_message((readstat_error_t)bad));
    readstat_writer_free(w);
    return fclose(file) || bad;
}
