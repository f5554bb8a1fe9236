# The C core as csrc/include/pybackprop.h declares it; that header has the documentation.

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "pybackprop.h" nogil:
    const uint32_t PBP_NONE
    enum: PBP_MAX_NDIM

    ctypedef enum pbp_status:
        PBP_OK
        PBP_ERROR_MEMORY
        PBP_ERROR_FORMAT
        PBP_ERROR_VERSION
        PBP_ERROR_ARGUMENT
        PBP_ERROR_INDEX
        PBP_ERROR_DOMAIN
        PBP_ERROR_LINALG
        PBP_ERROR_ALIAS
        PBP_INTERRUPTED

    ctypedef struct pbp_error:
        pbp_status status
        uint32_t instruction
        int64_t values[2]
        char message[232]

    ctypedef struct pbp_array:
        uint32_t dtype
        uint32_t ndim
        uint64_t bytes
        int64_t shape[32]

    ctypedef struct pbp_tape_info:
        uint32_t n_inputs
        uint32_t n_outputs
        uint32_t n_instructions
        uint32_t n_loops
        uint32_t reverse_start
        uint64_t arena_bytes
        uint64_t workspace_bytes
        uint64_t cost

    ctypedef struct pbp_tape:
        pass
    ctypedef struct pbp_workspace:
        pass
    ctypedef struct pbp_pool:
        pass

    ctypedef int (*pbp_poll)(void *context) noexcept nogil

    ctypedef struct pbp_run_options:
        pbp_poll poll
        void *poll_context
        pbp_pool *pool

    pbp_status pbp_pool_new(uint32_t threads, pbp_pool **out, pbp_error *error)

    pbp_status pbp_tape_load(const void *data, size_t size, pbp_tape **out, pbp_error *error)
    void pbp_tape_free(pbp_tape *tape)
    void pbp_tape_info_get(const pbp_tape *tape, pbp_tape_info *out)
    pbp_status pbp_tape_input(const pbp_tape *tape, uint32_t index, pbp_array *out)
    pbp_status pbp_tape_output(const pbp_tape *tape, uint32_t index, pbp_array *out)
    size_t pbp_tape_print(const pbp_tape *tape, char *text, size_t size)

    pbp_status pbp_workspace_new(const pbp_tape *tape, pbp_workspace **out, pbp_error *error)
    void pbp_workspace_free(pbp_workspace *workspace)

    pbp_status pbp_run(const pbp_tape *tape, pbp_workspace *workspace, const void *const *inputs,
                       void *const *outputs, const pbp_run_options *options, pbp_error *error)
    pbp_status pbp_check_aliases(const pbp_tape *tape, const void *const *inputs,
                                 void *const *outputs, pbp_error *error)

    ctypedef struct pbp_native_host:
        pass
    ctypedef int (*pbp_native)(const void *const *inputs, void *const *outputs, void *arena,
                               const void *consts, pbp_native_host *host) noexcept nogil
    pbp_status pbp_tape_set_native(pbp_tape *tape, pbp_native function, uint64_t arena_bytes)

    ctypedef struct pbp_instruction_row:
        const char *name
        const char *group
        uint32_t arity
        uint32_t dtypes
        uint32_t scalar
        const char *text
        const char *expression

    uint32_t pbp_instruction_count()
    pbp_status pbp_instruction_get(uint32_t number, pbp_instruction_row *out)
    const char *pbp_version()
    const char *pbp_instruction_set()
    const char *pbp_status_name(pbp_status status)
