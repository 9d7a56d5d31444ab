/* status: the texts of the status list. */
#include "bnorm.h"

const char *bnorm_status_text(bnorm_status status)
{
    switch (status) {
#define CASE(name, text)                                                                       \
    case name:                                                                                 \
        return text;
        BNORM_STATUS_LIST(CASE)
#undef CASE
    }
    return "unknown status";
}
