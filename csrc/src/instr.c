/* The instruction table as data, for callers and for the loader: names, groups, operands, costs and
   texts of the rows of pybackprop_instr.def; and names of dtypes and statuses. */
#include "core.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    pbp_instruction_row row;
    int64_t cost;
} table[PBP_ROW_COUNT] = {
#define MAP1(name, dtypes, cost, expression, text)                                                 \
    {{#name, "map", 1, dtypes, 1, text, #expression}, cost},
#define MAP2(name, dtypes, cost, expression, text)                                                 \
    {{#name, "map", 2, dtypes, 1, text, #expression}, cost},
#define MAP3(name, dtypes, cost, expression, text)                                                 \
    {{#name, "map", 3, dtypes, 1, text, #expression}, cost},
#define FUNCTION1(name, dtypes, function, cost, text)                                              \
    {{#name, "map", 1, dtypes, 1, text, "M(" #function ")(a)"}, cost},
#define FUNCTION2(name, dtypes, function, cost, text)                                              \
    {{#name, "map", 2, dtypes, 1, text, "M(" #function ")(a, b)"}, cost},
#define SPECIAL1(name, dtypes, function, cost, text)                                               \
    {{#name, "map", 1, dtypes, 1, text, "S(" #function ")(a)"}, cost},
#define SPECIAL2(name, dtypes, function, cost, text)                                               \
    {{#name, "map", 2, dtypes, 1, text, "S(" #function ")(a, b)"}, cost},
#define SPECIAL3(name, dtypes, function, cost, text)                                               \
    {{#name, "map", 3, dtypes, 0, text, "S(" #function ")(a, b, c)"}, cost},
#define LOGIC1(name, dtypes, expression, text)                                                     \
    {{#name, "map", 1, dtypes, 1, text, #expression}, 300},
#define LOGIC2(name, dtypes, expression, text)                                                     \
    {{#name, "map", 2, dtypes, 1, text, #expression}, 300},
#define COMPARE1(name, dtypes, cost, expression, text)                                             \
    {{#name, "compare", 1, dtypes, 1, text, #expression}, cost},
#define COMPARE2(name, dtypes, cost, expression, text)                                             \
    {{#name, "compare", 2, dtypes, 1, text, #expression}, cost},
#define OTHER(name, group, arity, dtypes, scalar, text)                                            \
    {{#name, group, arity, dtypes, scalar, text, NULL}, 500},
#include "pybackprop_instr.def"
};

uint32_t pbp_instruction_count(void)
{
    return PBP_ROW_COUNT;
}

pbp_status pbp_instruction_get(uint32_t number, pbp_instruction_row *out)
{
    if (number >= PBP_ROW_COUNT) {
        return PBP_ERROR_ARGUMENT;
    }
    *out = table[number].row;
    return PBP_OK;
}

int64_t pbp_row_cost(uint32_t row)
{
    return row < PBP_ROW_COUNT ? table[row].cost : 0;
}

const char *pbp_row_name(uint32_t row)
{
    return row < PBP_ROW_COUNT ? table[row].row.name : "?";
}

int64_t pbp_dtype_bytes(uint32_t dtype)
{
    static const int64_t bytes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    return dtype <= PBP_FLOAT64 ? bytes[dtype] : 0;
}

int64_t pbp_array_alignment(uint32_t dtype)
{
    return dtype == PBP_COMPLEX64    ? pbp_dtype_bytes(PBP_FLOAT32)
           : dtype == PBP_COMPLEX128 ? pbp_dtype_bytes(PBP_FLOAT64)
                                     : pbp_dtype_bytes(dtype);
}

int64_t pbp_array_item_bytes(uint32_t dtype)
{
    const bool is_complex = dtype == PBP_COMPLEX64 || dtype == PBP_COMPLEX128;
    return (is_complex ? 2 : 1) * pbp_array_alignment(dtype);
}

const char *pbp_dtype_name(uint32_t dtype)
{
    static const char *const names[] = {"bool", "i8",  "u8",  "i16", "u16", "i32",
                                        "u32",  "i64", "u64", "f32", "f64"};
    return dtype <= PBP_FLOAT64 ? names[dtype] : "?";
}

const char *pbp_version(void)
{
#ifdef PBP_VERSION
    return PBP_VERSION;
#else
    return "0";
#endif
}

const char *pbp_status_name(pbp_status status)
{
    switch (status) {
    case PBP_OK:
        return "ok";
    case PBP_ERROR_MEMORY:
        return "out of memory";
    case PBP_ERROR_FORMAT:
        return "not a valid tape";
    case PBP_ERROR_VERSION:
        return "unknown version or instruction";
    case PBP_ERROR_ARGUMENT:
        return "wrong argument";
    case PBP_ERROR_INDEX:
        return "index out of range";
    case PBP_ERROR_DOMAIN:
        return "no defined result";
    case PBP_ERROR_ALIAS:
        return "buffers overlap";
    case PBP_INTERRUPTED:
        return "interrupted";
    case PBP_ERROR_LINALG:
        return "linear algebra failed";
    }
    return "unknown status";
}

pbp_status pbp_fail(pbp_error *error, pbp_status status, uint32_t instruction, const char *format,
                    ...)
{
    if (error != NULL) {
        va_list arguments;
        error->status = status;
        error->instruction = instruction;
        error->values[0] = error->values[1] = 0;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}
