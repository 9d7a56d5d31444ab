/* frame_access: what a frame tells about itself. NULL frames and numbers outside give NULL or
 * 0.
 */
#include "io/frame.h"

const char *bnorm_frame_formula(const bnorm_frame *frame)
{
    return frame ? frame->formula : NULL;
}

ptrdiff_t bnorm_frame_inputs(const bnorm_frame *frame)
{
    return frame ? frame->input_count : 0;
}

const char *bnorm_frame_input_name(const bnorm_frame *frame, ptrdiff_t k)
{
    return frame && k >= 0 && k < frame->input_count ? frame->inputs[k].name : NULL;
}

const char *bnorm_frame_target_name(const bnorm_frame *frame)
{
    return frame ? bnorm_names_text(&frame->f.texts, 0) : NULL;
}

ptrdiff_t bnorm_frame_classes(const bnorm_frame *frame)
{
    return frame && frame->learned[0].factor ? frame->learned[0].levels.count : 0;
}

const char *bnorm_frame_class_name(const bnorm_frame *frame, ptrdiff_t k)
{
    return k >= 0 && k < bnorm_frame_classes(frame)
               ? bnorm_names_text(&frame->learned[0].levels, k)
               : NULL;
}

ptrdiff_t bnorm_frame_dropped(const bnorm_frame *frame)
{
    return frame ? frame->dropped_count : 0;
}

const char *bnorm_frame_dropped_name(const bnorm_frame *frame, ptrdiff_t k)
{
    return k >= 0 && k < bnorm_frame_dropped(frame) ? frame->dropped[k].name : NULL;
}
