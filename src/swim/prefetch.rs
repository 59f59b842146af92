//! `prefetch`: memory that will be looked at soon is asked for now.

use std::ptr;

use branches::prefetch_read_data;

/// Bytes that memory gives at once, on nearly all machines.
pub(super) const LINE_BYTES: usize = 64;
/// The first level of the cache.
const NEAREST: i32 = 0;

/// Asks for all memory of `value` itself, not for what it points to, and does not wait for it.
/// Nothing but time depends on it.
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    let begin = ptr::from_ref(value).cast::<u8>();
    let before = begin.addr() % LINE_BYTES;
    let first_line = begin.wrapping_sub(before);
    for offset in (0..before + size_of_val(value)).step_by(LINE_BYTES) {
        prefetch_read_data::<_, NEAREST>(first_line.wrapping_add(offset));
    }
}
